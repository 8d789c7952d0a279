import numpy as np
import pytest
import torch

from bayes_guided.datasets import load_npz
from bayes_guided.exceptions import DataError, DataFileError, LabelError

X = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20) % 4


def save(folder, **arrays):
    path = folder / "mine.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_a_given_split_is_kept_as_it_is(tmp_path, dtype):
    labels = LABELS.astype(dtype)
    path = save(tmp_path, train_x=X[:15], train_y=labels[:15], test_x=X[15:], test_y=labels[15:])
    data = load_npz(str(path))
    assert torch.equal(data.train_x, torch.tensor(X[:15], dtype=torch.float32))
    assert torch.equal(data.test_x, torch.tensor(X[15:], dtype=torch.float32))
    assert (data.train_y.tolist(), data.test_y.tolist()) == (LABELS[:15].tolist(), LABELS[15:].tolist())
    assert (data.name, data.num_classes, data.train_y.dtype) == ("mine", 4, torch.int64)


def test_whole_arrays_are_split_by_class_with_the_seed(tmp_path):
    path = save(tmp_path, x=np.column_stack([LABELS, np.arange(20)]), y=LABELS)
    data, other = load_npz(path, test_fraction=0.4, seed=1), load_npz(path, test_fraction=0.4, seed=2)
    assert torch.bincount(data.test_y).tolist() == [2, 2, 2, 2]
    assert torch.equal(data.test_x[:, 0], data.test_y.float())
    assert torch.cat([data.train_x, data.test_x])[:, 1].sort().values.tolist() == list(range(20))
    assert not torch.equal(data.test_x, other.test_x)


def test_float_targets_make_a_regression(tmp_path):
    data = load_npz(save(tmp_path, x=X.astype(np.float16), y=np.linspace(0, 1, 20)[:, None]))
    assert (data.num_classes, data.train_x.dtype, data.train_y.dtype) == (None, torch.float32, torch.float32)
    assert (data.train_y.shape, data.test_y.shape) == ((16, 1), (4, 1))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "y": LABELS}, "has the keys X, y; save it with exactly"),
        ({"x": X, "y": LABELS, "z": X}, "has the keys x, y, z"),
        ({"train_x": X, "train_y": LABELS}, "has the keys train_x, train_y;"),
        ({}, r"has the keys \(none\)"),
        ({"x": X.astype(str), "y": LABELS}, "x holds .*, not real numbers"),
        ({"x": X, "y": LABELS.astype(complex)}, "y holds complex128"),
        ({"x": X, "y": np.array(["a", 1] * 10, dtype=object)}, "without unpickling"),
    ],
)
def test_other_contents_are_refused(tmp_path, arrays, message):
    with pytest.raises(DataFileError, match=f"mine.npz.*{message}"):
        load_npz(save(tmp_path, **arrays))


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"x": X, "y": LABELS[:-1]}, DataError, "x has 20 rows and y has 19"),
        ({"x": X[:0], "y": LABELS[:0]}, DataError, "empty"),
        ({"x": np.float64(3), "y": LABELS}, DataError, "first dimension"),
        ({"x": np.where(np.arange(20)[:, None] == 6, np.nan, X), "y": LABELS}, DataError, "in row 6"),
        ({"x": X * 1e300, "y": LABELS}, DataError, "NaN or infinite in row 0"),
        ({"x": X, "y": LABELS - 1}, LabelError, "has label -1"),
        ({"x": X, "y": LABELS * 0}, LabelError, "at least 2 classes"),
    ],
)
def test_values_that_no_fit_could_use_are_refused(tmp_path, arrays, error, message):
    with pytest.raises(error, match=f"mine.*{message}"):
        load_npz(save(tmp_path, **arrays))


def test_a_missing_damaged_or_other_file_is_refused(tmp_path):
    path = save(tmp_path, x=X, y=LABELS)
    content = path.read_bytes()
    with pytest.raises(DataFileError, match=r"absent\.npz: missing"):
        load_npz(tmp_path / "absent.npz")
    np.save(tmp_path / "single.npy", X)
    with pytest.raises(DataFileError, match=r"single\.npy: .*no NumPy archive"):
        load_npz(tmp_path / "single.npy")
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataFileError, match=r"mine\.npz: .*damaged"):
        load_npz(path)
    path.write_bytes(content[:200] + bytes([content[200] ^ 0xFF]) + content[201:])
    with pytest.raises(DataFileError, match=r"mine\.npz: an array cannot be read"):
        load_npz(path)
