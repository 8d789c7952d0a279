"""A text file as a table of finite numbers, every refusal naming the column and the line."""

import csv
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from bayes_guided.exceptions import DataFileError


@dataclass(frozen=True, eq=False)
class NumericTable:
    """Values of a CSV file; `names` is its header or None, `lines` the line of the file (from 1) of each row."""

    values: Float64[np.ndarray, "samples columns"]
    names: tuple[str, ...] | None
    lines: tuple[int, ...]


def read_numeric_table(path: Path, delimiter: str | None = ",") -> NumericTable:
    """The table in `path`. Its first line is a header if no cell of it is a number; blank lines are skipped.

    Without a delimiter any run of white space separates two cells.

    Raises:
        DataFileError: if the file cannot be read, has no data rows, rows of unequal length, or a cell that is not
            a finite number.
    """
    records = _read_records(path, delimiter)
    names = None
    if records and not any(_is_number(cell) for cell in records[0][1]):
        names = tuple(cell.strip() for cell in records[0][1])
        records = records[1:]
    if not records:
        raise DataFileError(f"{path}: has no data rows.")
    width = len(names) if names is not None else len(records[0][1])
    values = np.empty((len(records), width))
    for index, (line, cells) in enumerate(records):
        if len(cells) != width:
            raise DataFileError(f"{path}: line {line} has {len(cells)} columns instead of {width}; mend that line.")
        values[index] = _numbers(cells, line, names, path)
    return NumericTable(values, names, tuple(line for line, _ in records))


def describe_column(column: int, names: tuple[str, ...] | None) -> str:
    """How messages call a column: by its name, or by its number counted from 1."""
    return f"column {column + 1}" if names is None else f"column {column + 1} ({names[column]!r})"


def _read_records(path: Path, delimiter: str | None) -> list[tuple[int, list[str]]]:
    """Each non-blank record with the line of the file that it ends on."""
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            if delimiter is None:
                return [(number, cells) for number, line in enumerate(file, start=1) if (cells := line.split())]
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: there is no such file; give the path of a table of numbers.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(f"{path}: cannot be read as a table in UTF-8 ({error}).") from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(cells: list[str], line: int, names: tuple[str, ...] | None, path: Path) -> list[float]:
    with suppress(ValueError):
        values = [float(cell) for cell in cells]
        if all(map(math.isfinite, values)):
            return values
    # Only a row that is refused is looked at cell by cell: a large table is read several times as fast.
    return [_number(cell, column, line, names, path) for column, cell in enumerate(cells)]


def _number(cell: str, column: int, line: int, names: tuple[str, ...] | None, path: Path) -> float:
    where = f"{path}: {describe_column(column, names)}, line {line}"
    if not cell.strip():
        raise DataFileError(f"{where}: the cell is empty; fill it or drop the line.")
    if not _is_number(cell):
        raise DataFileError(
            f"{where}: {cell.strip()!r} is not a number; encode the column as numbers or drop it "
            "(a first line counts as a header only if none of its cells is a number)."
        )
    value = float(cell)
    if not math.isfinite(value):
        raise DataFileError(f"{where}: {cell.strip()!r} is not a finite number; fill it or drop the line.")
    return value
