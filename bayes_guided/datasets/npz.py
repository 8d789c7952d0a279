"""NumPy archives, the way to bring any data that is in arrays already."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bayes_guided.exceptions import DataFileError

from .checks import check_data
from .dataset import Dataset
from .split import split_rows

_SPLIT_KEYS = frozenset({"train_x", "train_y", "test_x", "test_y"})
_WHOLE_KEYS = frozenset({"x", "y"})


def load_npz(path: str | Path, *, test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """The arrays train_x, train_y, test_x, test_y of `path`; or x, y, split with `seed` (by class for classification).

    Inputs become float32 as they are: nothing is standardised. Integer targets are labels 0 ... C - 1 of a
    classification, C the largest label plus one; float targets are a regression. Nothing is unpickled.

    Raises:
        DataFileError: if the file is missing, damaged or no archive, has other keys, or holds an array that is not of
            real numbers.
        DataError: if rows are missing, lengths differ or values are not finite.
        LabelError: if labels are negative or of one class only.
        ConfigError: if the split leaves a part empty.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    if arrays.keys() == _WHOLE_KEYS:
        x, y = _inputs(arrays["x"], "x", path), _targets(arrays["y"], "y", path)
        check_data(x, y, str(path))
        train, test = split_rows(y, test_fraction, seed)
        train_x, train_y, test_x, test_y = x[train], y[train], x[test], y[test]
    elif arrays.keys() == _SPLIT_KEYS:
        train_x, test_x = (_inputs(arrays[key], key, path) for key in ("train_x", "test_x"))
        train_y, test_y = (_targets(arrays[key], key, path) for key in ("train_y", "test_y"))
    else:
        raise DataFileError(
            f"{path}: has the keys {', '.join(sorted(arrays)) or '(none)'}; save it with exactly "
            "train_x, train_y, test_x, test_y, or with x, y."
        )
    check_data(train_x, train_y, f"{path}, training part")
    check_data(test_x, test_y, f"{path}, test part")
    classes = None if train_y.is_floating_point() else int(max(train_y.max(), test_y.max())) + 1
    return Dataset(train_x, train_y, test_x, test_y, name=path.stem, num_classes=classes)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise DataFileError(f"{path}: missing, damaged, or no NumPy archive; save the arrays with numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataFileError(f"{path}: an array cannot be read without unpickling ({error}); save it anew.") from error


def _inputs(array: np.ndarray, key: str, path: Path) -> Tensor:
    _check_real(array, key, path)
    # A value beyond float32 becomes infinite, which the data set's own check reports with its row.
    with np.errstate(over="ignore"):
        return torch.from_numpy(array.astype(np.float32))


def _targets(array: np.ndarray, key: str, path: Path) -> Tensor:
    _check_real(array, key, path)
    with np.errstate(over="ignore"):
        return torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))


def _check_real(array: np.ndarray, key: str, path: Path) -> None:
    if array.dtype.kind not in "fiub":
        raise DataFileError(f"{path}: {key} holds {array.dtype}, not real numbers; save it as floats or integers.")
