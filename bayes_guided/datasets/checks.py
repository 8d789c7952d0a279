"""The checks that any pair of inputs and targets must pass before a fit."""

import torch
from torch import Tensor

from bayes_guided.exceptions import DataError, LabelError


def check_data(x: Tensor, y: Tensor, name: str = "data") -> None:
    """Refuse inputs and targets that no fit could use; `name` says in the message which data they are.

    Rows run along the first dimension of both. Integer tensors are finite by nature and are not scanned.

    Raises:
        DataError: if there is no row, if the lengths differ, or if a value is NaN or infinite (the first such row,
            counted from 0, is named).
    """
    if x.ndim == 0 or y.ndim == 0:
        raise DataError(f"{name}: x and y need a first dimension that counts the rows; one of them is a single number.")
    if len(x) != len(y):
        raise DataError(f"{name}: x has {len(x)} rows and y has {len(y)}; give one target for each row.")
    if x.numel() == 0 or y.numel() == 0:
        raise DataError(f"{name}: empty, x is {tuple(x.shape)} and y is {tuple(y.shape)}; give at least one row.")
    _check_finite(x, "x", name)
    _check_finite(y, "y", name)


def check_labels(labels: Tensor, num_classes: int, name: str = "data") -> None:
    """Refuse class labels that are not whole numbers 0 ... `num_classes` - 1, one for each row.

    Raises:
        LabelError: for fewer than two classes, a floating dtype, more than one dimension, or a label out of range (the
            first such row, counted from 0, is named).
    """
    if num_classes < 2:
        raise LabelError(f"{name}: classification needs at least 2 classes, got {num_classes}.")
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise LabelError(
            f"{name}: labels must be an int64 tensor with one label a row, got {labels.dtype} of shape "
            f"{tuple(labels.shape)}; for regression set num_classes=None."
        )
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        row = int(outside.nonzero()[0])
        raise LabelError(f"{name}: row {row} has label {int(labels[row])}; labels run from 0 to {num_classes - 1}.")


def _check_finite(values: Tensor, which: str, name: str) -> None:
    if not values.is_floating_point():
        return
    finite = torch.isfinite(values)
    if not finite.all():
        row = int((~finite).nonzero()[0, 0])
        raise DataError(f"{name}: {which} is NaN or infinite in row {row} (counted from 0); drop or fill that row.")
