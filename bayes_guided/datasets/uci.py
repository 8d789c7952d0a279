"""The small regression sets of the UCI repository with their standard splits [HernandezLobato2015, GalGhahramani2016].

A folder holds `data.txt` (columns apart by white space), the columns that are features and target in `index_features.txt`
and `index_target.txt`, and the rows of split K in `index_train_K.txt` and `index_test_K.txt`; all count from 0.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from bayes_guided.exceptions import DataFileError, SplitIndexError

from .checksums import check_known
from .csv_table import NumericTable, read_numeric_table
from .dataset import Dataset
from .tabular import regression


def load_uci(folder: str | Path, *, split: int = 0) -> Dataset:
    """The regression set in `folder`, named after it, with its standard split number `split`.

    Features, shape (N, features), and targets, shape (N,), are each less their training mean and over their training
    standard deviation; `target_mean` and `target_std` undo it for the targets.

    Raises:
        DataFileError: if the folder or a file is missing or damaged, a cell is not a finite number, an index is no row or
            column of the table, or the target is constant.
        ChecksumError: if a folder of the name concrete, energy, power-plant or yacht holds other content.
        SplitIndexError: if there is no such split, or a row stands in both of its parts.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataFileError(f"{folder}: is not a folder; give the one that holds data.txt and its index files.")
    _check_split(folder, split)
    table = _read(folder / "data.txt").values
    samples, columns = table.shape
    features = _indices(folder / "index_features.txt", columns, "columns")
    target = _indices(folder / "index_target.txt", columns, "columns")
    if len(target) != 1 or target[0] in features:
        raise DataFileError(f"{folder}/index_target.txt: give one column, and none of index_features.txt.")
    train = _indices(folder / f"index_train_{split}.txt", samples, "rows")
    test = _indices(folder / f"index_test_{split}.txt", samples, "rows")
    shared = np.intersect1d(train, test)
    if shared.size:
        raise SplitIndexError(f"{folder}: row {shared[0]} is in both parts of split {split}; mend its index files.")
    parts = torch.from_numpy(train), torch.from_numpy(test)
    return regression(table[:, features], table[:, target[0]], parts, name=folder.resolve().name, source=folder)


def uci_splits(folder: str | Path) -> list[int]:
    """The numbers of the standard splits in `folder`, ascending."""
    numbers = (path.stem.removeprefix("index_test_") for path in Path(folder).glob("index_test_*.txt"))
    return sorted(int(number) for number in numbers if number.isdecimal())


def _check_split(folder: Path, split: int) -> None:
    known = uci_splits(folder)
    if split not in known:
        there = f"splits {', '.join(map(str, known))} are there" if known else "no index_test_K.txt is there"
        raise SplitIndexError(f"{folder}: has no split {split}; {there}.")


def _read(path: Path) -> NumericTable:
    table = read_numeric_table(path, delimiter=None)
    check_known(path, path.read_bytes())
    return table


def _indices(path: Path, size: int, what: str) -> Int64[np.ndarray, " indices"]:
    """The indices of a file, each a whole number below `size` and none twice."""
    table = _read(path)
    values = table.values.ravel()
    wrong = np.flatnonzero((values != np.round(values)) | (values < 0) | (values >= size))
    if wrong.size:
        raise DataFileError(f"{path}: {values[wrong[0]]:g} is none of the {size} {what} 0 to {size - 1} of data.txt.")
    if len(np.unique(values)) < len(values):
        raise DataFileError(f"{path}: an index stands there twice; give each of the {what} once.")
    return values.astype(np.int64)
