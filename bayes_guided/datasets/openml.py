"""Data sets of OpenML, fetched over the network and kept in scikit-learn's own data folder."""

from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from bayes_guided.exceptions import ConfigError, DataFileError, DownloadError

from .dataset import Dataset
from .split import split_rows
from .tabular import classification, regression

if TYPE_CHECKING:
    import pandas as pd


def load_openml(
    name: str,
    *,
    version: int,
    task: str,
    target: str | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Data set `name` in its `version` at openml.org, split with `seed` (by class for classification) and standardised.

    `task` is "classification" or "regression"; `target` is a column's name, or None for the one that OpenML names. All other
    columns are features, as in `load_csv`; columns that OpenML marks as identifiers are left out. Classes are numbered 0, 1,
    ... in ascending order of their values or names. The fetched file is compared with the checksum that OpenML gives; a file
    that was fetched once is read from scikit-learn's data folder (SCIKIT_LEARN_DATA) without a network.

    Raises:
        ConfigError: if the task is unknown or the split leaves a part empty.
        DownloadError: if openml.org cannot be reached.
        DataFileError: if there is no such data set, version or column, if a column is not numeric or has gaps, if there is
            only one class or one target value, or if what was fetched is damaged.
    """
    if task not in ("classification", "regression"):
        raise ConfigError(f"unknown task {task!r}; choose 'classification' or 'regression'.")
    source = f"OpenML, {name!r} version {version}"
    fetched = _fetch(name, version, target, source)
    features, column = fetched.data, fetched.target
    if column is None or column.ndim != 1:
        raise DataFileError(f"{source}: OpenML names no single target; name the target column.")
    x = np.stack([_numbers(features[label], source) for label in features.columns], axis=1)
    if task == "classification":
        labels = _labels(column, source)
        return classification(x, labels, split_rows(labels, test_fraction, seed), name=name)
    y = _numbers(column, source)
    split = split_rows(torch.from_numpy(y), test_fraction, seed)
    return regression(x, y, split, name=name, source=source)


def _fetch(name: str, version: int, target: str | None, source: str) -> Any:
    """scikit-learn's bundle of data frames."""
    # Imported here because scikit-learn is slow to import and few runs need it.
    from sklearn.datasets import fetch_openml

    try:
        return fetch_openml(
            name,
            version=version,
            target_column="default-target" if target is None else target,
            as_frame=True,
            parser="pandas",
        )
    except HTTPError as error:
        raise DownloadError(f"{source}: openml.org answered {error.code} {error.reason}; try again later.") from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise DownloadError(
            f"{source}: openml.org cannot be reached ({error}); check the network, or load a file with load_csv."
        ) from error
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise DataFileError(f"{source}: cannot be read ({type(error).__name__}: {error}).") from error


def _numbers(column: "pd.Series", source: str) -> Float64[np.ndarray, " samples"]:
    """A column as finite numbers."""
    where = f"{source}: column {column.name!r}"
    if column.dtype.kind not in "fiub":
        first = column.iloc[0]
        raise DataFileError(f"{where} is not numeric, its first value is {first!r}; encode or drop it, and use load_csv.")
    values = column.to_numpy(dtype=np.float64, copy=True)  # pandas may lend its own, read-only
    gaps = np.flatnonzero(~np.isfinite(values))
    if gaps.size:
        raise DataFileError(f"{where} has no finite number in row {gaps[0]} (from 0); fill it, and use load_csv.")
    return values


def _labels(column: "pd.Series", source: str) -> Tensor:
    """Distinct values, ascending, as labels 0, 1, ... of each row."""
    where = f"{source}: column {column.name!r}"
    if column.isna().any():
        raise DataFileError(f"{where} has no class in row {int(np.flatnonzero(column.isna())[0])} (from 0).")
    if column.dtype.kind == "f" and (column != column.round()).any():
        raise DataFileError(f"{where} holds numbers that are not whole, so no classes; choose task='regression'.")
    classes, labels = np.unique(column.to_numpy(), return_inverse=True)
    if len(classes) < 2:
        raise DataFileError(f"{where} has the one value {classes[0]!r}; classification needs at least 2 classes.")
    return torch.from_numpy(labels.astype(np.int64))
