"""Mini-batches of a data set whose size is always known."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from bayes_guided.datasets import check_data
from bayes_guided.exceptions import DataError

Data: TypeAlias = tuple[Tensor | np.ndarray, Tensor | np.ndarray] | DataLoader[Any]
"""Inputs and targets, or a DataLoader that yields such pairs."""


class Batches(ABC):
    """Pairs of inputs and targets, in an order drawn anew each epoch from torch's generator."""

    size: int
    """Number of cases N."""
    per_epoch: int
    """Number of batches."""

    @abstractmethod
    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the data in random order; the order depends on torch's generator alone."""

    @abstractmethod
    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass that draws nothing from any generator where that can be had, for evaluation."""

    @abstractmethod
    def digest(self) -> str:
        """A hash that differs for other data, as far as the data can be seen without a pass over a loader."""


class TensorBatches(Batches):
    """Batches of two tensors held on the device; the last batch of an epoch may be smaller."""

    def __init__(self, inputs: Tensor, targets: Tensor, batch_size: int, device: torch.device) -> None:
        self.inputs, self.targets = inputs.to(device), targets.to(device)
        self.batch_size = batch_size
        self.size = len(inputs)
        self.per_epoch = -(-self.size // batch_size)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in random order."""
        for index in torch.randperm(self.size).to(self.inputs.device).split(self.batch_size):
            yield self.inputs[index], self.targets[index]

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in the given order, in large batches."""
        yield from zip(self.inputs.split(1024), self.targets.split(1024), strict=True)

    def digest(self) -> str:
        """A hash of every input and target."""
        digest = hashlib.blake2b(digest_size=16)
        for tensor in (self.inputs, self.targets):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


class LoaderBatches(Batches):
    """Batches of the user's DataLoader, in the loader's own way."""

    def __init__(self, loader: DataLoader[Any], device: torch.device) -> None:
        self.loader = loader
        self.device = device
        self.size = len(loader.dataset)  # type: ignore[arg-type]
        self.per_epoch = len(loader)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass of the loader."""
        for inputs, targets in self.loader:
            check_data(inputs, targets)
            yield inputs.to(self.device), targets.to(self.device)

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass of the loader, leaving torch's generator as it was."""
        with torch.random.fork_rng():
            yield from self.epoch()

    def digest(self) -> str:
        """The number of cases and batches: the loader's data are not read."""
        return f"loader of {self.size} cases in {self.per_epoch} batches"


def as_batches(data: Data, batch_size: int, device: torch.device) -> Batches:
    """Batches of a pair of tensors or arrays, or of a DataLoader.

    Raises:
        DataError: if the data are empty, mismatched, not finite, or of unknown size.
    """
    if batch_size < 1:
        raise DataError(f"batch_size={batch_size}: give at least 1.")
    if isinstance(data, DataLoader):
        if not hasattr(data.dataset, "__len__") or len(data.dataset) == 0:  # type: ignore[arg-type]
            raise DataError("the DataLoader's data set is empty or of unknown size; the prior needs to know N.")
        if data.generator is not None:
            raise DataError(
                "the DataLoader has its own generator, whose order a resumed fit could not repeat; leave `generator` out: "
                "the fit's seed governs the order."
            )
        return LoaderBatches(data, device)
    inputs, targets = (_as_tensor(part) for part in data)
    check_data(inputs, targets)
    return TensorBatches(inputs, targets, batch_size, device)


def _as_tensor(values: Tensor | np.ndarray) -> Tensor:
    tensor = torch.as_tensor(values)
    return tensor.to(torch.get_default_dtype()) if tensor.dtype == torch.float64 and isinstance(values, np.ndarray) else tensor
