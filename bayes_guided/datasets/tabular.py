"""From a table of numbers and a split to a standardised data set."""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from bayes_guided.exceptions import DataFileError

from .dataset import Dataset
from .scaling import column_scales

Table = Float64[np.ndarray, "samples features"]
Split = tuple[Int[Tensor, " train"], Int[Tensor, " test"]]


def classification(features: Table, labels: Int[Tensor, " samples"], split: Split, *, name: str) -> Dataset:
    """Features less their training mean and over their training standard deviation; labels 0 ... C - 1 as they are."""
    train, test = split
    x = _standardised(features, train)
    return Dataset(x[train], labels[train], x[test], labels[test], name=name, num_classes=int(labels.max()) + 1)


def regression(
    features: Table, targets: Float64[np.ndarray, " samples"], split: Split, *, name: str, source: object
) -> Dataset:
    """Features and targets, each less its training mean and over its training standard deviation.

    Raises:
        DataFileError: if all training targets are equal; `source` is what the message calls the data.
    """
    train, test = split
    x = _standardised(features, train)
    train_targets = targets[train.numpy()]
    if np.ptp(train_targets) == 0:
        raise DataFileError(f"{source}: the target is {train_targets[0]:g} in every training row; choose another column.")
    mean, std = float(train_targets.mean()), float(train_targets.std())
    y = torch.as_tensor((targets - mean) / std, dtype=torch.float32)
    return Dataset(x[train], y[train], x[test], y[test], name=name, num_classes=None, target_mean=mean, target_std=std)


def _standardised(features: Table, train: Int[Tensor, " train"]) -> Tensor:
    mean, std = column_scales(features[train.numpy()])
    return torch.as_tensor((features - mean) / std, dtype=torch.float32)
