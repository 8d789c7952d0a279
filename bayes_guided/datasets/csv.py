"""CSV files of numbers, for regression or classification."""

from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bayes_guided.exceptions import ConfigError, DataFileError

from .csv_table import NumericTable, describe_column, read_numeric_table
from .dataset import Dataset
from .split import split_rows
from .tabular import classification, regression


def load_csv(
    path: str | Path,
    *,
    task: str,
    target: str | int = -1,
    test_fraction: float = 0.2,
    seed: int = 0,
    delimiter: str = ",",
) -> Dataset:
    """The numeric table in `path`, split with `seed` (by class for classification) and standardised.

    `task` is "classification" or "regression". `target` is a column's name in the header or its index from 0;
    negative indices count from the end. All other columns are features, shape (N, features), each less its training
    mean and over its training standard deviation. Regression targets, shape (N,), are standardised likewise and
    `target_mean`, `target_std` undo it.
    Class labels are whole numbers; their distinct values in ascending order become 0, 1, ...

    Raises:
        ConfigError: if the task is unknown, the delimiter not one character, or the split leaves a part empty.
        DataFileError: if the file is no table of finite numbers, has no such target or no feature column, if a label is
            not a whole number, or if there is only one class or one target value.
    """
    if task not in ("classification", "regression"):
        raise ConfigError(f"unknown task {task!r}; choose 'classification' or 'regression'.")
    if len(delimiter) != 1:
        raise ConfigError(f"delimiter={delimiter!r}: give one character.")
    path = Path(path)
    table = read_numeric_table(path, delimiter)
    column = _target_column(table, target, path)
    features, targets = np.delete(table.values, column, axis=1), table.values[:, column]
    if features.shape[1] == 0:
        raise DataFileError(f"{path}: has one column, so no feature besides the target; is the delimiter {delimiter!r}?")
    if task == "classification":
        labels = _labels(table, column, path)
        return classification(features, labels, split_rows(labels, test_fraction, seed), name=path.stem)
    split = split_rows(torch.from_numpy(targets), test_fraction, seed)
    return regression(features, targets, split, name=path.stem, source=path)


def _labels(table: NumericTable, column: int, path: Path) -> Tensor:
    """Distinct target values, ascending, as labels 0, 1, ... of each row."""
    values = table.values[:, column]
    fractional = np.flatnonzero(values != np.round(values))
    where = f"{path}: {describe_column(column, table.names)}"
    if fractional.size:
        row = int(fractional[0])
        raise DataFileError(
            f"{where}, line {table.lines[row]}: {values[row]:g} is not a whole number, so no class label; "
            "choose another target column or task='regression'."
        )
    classes, labels = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise DataFileError(f"{where}: has the one value {classes[0]:g}; classification needs at least 2 classes.")
    return torch.from_numpy(labels.astype(np.int64))


def _target_column(table: NumericTable, target: str | int, path: Path) -> int:
    width = table.values.shape[1]
    if isinstance(target, int):
        if not -width <= target < width:
            raise DataFileError(f"{path}: no column with index {target}; it has {width} columns, 0 to {width - 1}.")
        return target % width
    if table.names is None:
        raise DataFileError(f"{path}: has no header line, so no column {target!r}; give the target's index instead.")
    count = table.names.count(target)
    if count == 0:
        near = get_close_matches(target, table.names, n=1, cutoff=0.0)
        raise DataFileError(f"{path}: no column {target!r}; the nearest is {near[0]!r} of {', '.join(table.names)}.")
    if count > 1:
        raise DataFileError(f"{path}: {count} columns are called {target!r}; give the target's index instead.")
    return table.names.index(target)
