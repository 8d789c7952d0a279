import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits as sklearn_digits

from bayes_guided.datasets import load_digits


def test_all_digits_are_there_once_with_their_labels():
    data = load_digits()
    pixels, labels = sklearn_digits(return_X_y=True)
    # Undo the standardisation from the raw pixels' own range: 0 and 16 are both attained.
    x = torch.cat([data.train_x, data.test_x]).double().numpy()
    raw = np.round((x - x.min()) / (x.max() - x.min()) * 16)
    ours = np.column_stack([raw, torch.cat([data.train_y, data.test_y]).numpy()])
    theirs = np.column_stack([pixels, labels])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_shapes_and_types():
    data = load_digits()
    assert (data.train_x.shape, data.test_x.shape) == ((1438, 64), (359, 64))
    assert (data.train_x.dtype, data.train_y.dtype) == (torch.float32, torch.int64)
    assert (data.name, data.num_classes) == ("digits", 10)


def test_images_are_the_flat_rows_in_reading_order():
    flat, images = load_digits(seed=4), load_digits(flat=False, seed=4)
    assert images.train_x.shape == (1438, 1, 8, 8)
    torch.testing.assert_close(images.test_x[:, 0, 3, 5], flat.test_x[:, 8 * 3 + 5])


def test_training_pixels_have_mean_zero_and_deviation_one():
    data = load_digits()
    assert float(data.train_x.double().mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(data.train_x.double().std(correction=0)) == pytest.approx(1.0, abs=1e-6)


def test_the_split_is_stratified_and_decided_by_the_seed():
    data = load_digits(seed=1)
    test, train = torch.bincount(data.test_y), torch.bincount(data.train_y)
    assert ((test - (test + train) * 359 / 1797).abs() <= 1).all()
    assert torch.equal(data.test_x, load_digits(seed=1).test_x)
    assert not torch.equal(data.test_y, load_digits(seed=2).test_y)
