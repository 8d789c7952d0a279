"""Standardisation by the training part alone, so that nothing of the test part leaks into the inputs."""

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from bayes_guided.exceptions import DataError


def standardise_images(
    train: Float[Tensor, "samples *features"], test: Float[Tensor, "test_samples *features"]
) -> tuple[Float[Tensor, "samples *features"], Float[Tensor, "test_samples *features"]]:
    """Both parts less one mean and over one standard deviation, those of all training pixels together.

    One number for all pixels, not one each: many pixels of an image set never change, and a convolution expects
    the same scale everywhere.

    Raises:
        DataError: if all training pixels are equal.
    """
    std, mean = torch.std_mean(train, correction=0)
    if std == 0:
        raise DataError(f"every training pixel is {float(mean):g}; there is nothing to standardise or to learn from.")
    return (train - mean) / std, (test - mean) / std


def column_scales(
    train: Float64[np.ndarray, "samples features"],
) -> tuple[Float64[np.ndarray, " features"], Float64[np.ndarray, " features"]]:
    """Mean and standard deviation (divisor N) of each training column.

    A constant column's deviation is given as 1: it becomes 0 by standardisation rather than undefined.
    """
    constant = np.ptp(train, axis=0) == 0
    return train.mean(axis=0), np.where(constant, 1.0, train.std(axis=0))
