"""scikit-learn's bundled handwritten digits: real data without a download [Alpaydin1998, UCI optical digits]."""

import torch

from .dataset import Dataset
from .scaling import standardise_images
from .split import split_rows

_MAX_PIXEL = 16.0


def load_digits(*, flat: bool = True, seed: int = 0) -> Dataset:
    """1,797 digits of 8 x 8 pixels, ten classes, split 80/20 by class with `seed`.

    Inputs are (N, 64), or (N, 1, 8, 8) with `flat=False`: pixels in [0, 1], then less the mean and over the standard
    deviation of the training pixels.
    """
    # Imported here because scikit-learn is slow to import and no other loader needs it.
    from sklearn.datasets import load_digits as sklearn_digits

    pixels, labels = sklearn_digits(return_X_y=True)
    x = torch.as_tensor(pixels, dtype=torch.float32) / _MAX_PIXEL
    y = torch.as_tensor(labels, dtype=torch.int64)
    if not flat:
        x = x.reshape(-1, 1, 8, 8)
    train, test = split_rows(y, 0.2, seed)
    train_x, test_x = standardise_images(x[train], x[test])
    return Dataset(train_x, y[train], test_x, y[test], name="digits", num_classes=10)
