"""Mini-batches of a data set whose size is always known."""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, SubsetRandomSampler

from bayes_guided.datasets import check_data
from bayes_guided.exceptions import DataError
from bayes_guided.files import digest

Data: TypeAlias = tuple[Tensor | np.ndarray, Tensor | np.ndarray] | DataLoader[Any]
"""Inputs and targets, or a DataLoader that yields such pairs."""


class Batches(ABC):
    """Pairs of inputs and targets on one device, in an order drawn anew each epoch from torch's generator."""

    device: torch.device
    size: int
    """Number of cases N."""
    per_epoch: int
    """Number of batches."""

    @abstractmethod
    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the data in random order; the order depends on torch's generator alone."""

    @abstractmethod
    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass for evaluation, in any order."""

    @abstractmethod
    def digest(self) -> str:
        """A text that differs for other data, as far as the data can be seen without a pass over a loader."""


class TensorBatches(Batches):
    """Batches of two tensors held on the device, of sizes that differ by one at most.

    Equal sizes weigh every case alike, and leave no last batch of few cases, of which batch norm has poor statistics.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, batch_size: int, device: torch.device) -> None:
        """`batch_size` is the largest size of a batch."""
        self.inputs, self.targets = inputs.to(device), targets.to(device)
        self.device = device
        self.size = len(inputs)
        self.per_epoch = -(-self.size // batch_size)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in random order."""
        for index in torch.randperm(self.size).to(self.device).tensor_split(self.per_epoch):
            yield self.inputs[index], self.targets[index]

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in the given order, in large batches."""
        yield from zip(self.inputs.split(1024), self.targets.split(1024), strict=True)

    def digest(self) -> str:
        """A hash of every input and target."""
        return digest({"inputs": self.inputs, "targets": self.targets})


class LoaderBatches(Batches):
    """Batches of the user's DataLoader, in the loader's own way; `drop_last` leaves other cases out each epoch."""

    def __init__(self, loader: DataLoader[Any], device: torch.device, dtype: torch.dtype) -> None:
        """Floating-point values of the loader are cast to `dtype`."""
        self.loader = loader
        self.device, self.dtype = device, dtype
        # A subset's sampler is how a split is written; every other sampler draws from the whole data set.
        whole = loader.sampler if isinstance(loader.sampler, SubsetRandomSampler) else loader.dataset
        self.size = len(whole)  # type: ignore[arg-type]
        self.per_epoch = len(loader)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass of the loader.

        Raises:
            DataError: if a batch is not a pair of tensors, or not finite.
        """
        for batch in self.loader:
            if not (isinstance(batch, list | tuple) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch)):
                raise DataError("the DataLoader's batches are no pairs of tensors; yield (inputs, targets).")
            inputs, targets = (as_tensor(part, self.dtype).to(self.device) for part in batch)
            check_data(inputs, targets)
            yield inputs, targets

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass of the loader."""
        return self.epoch()

    def digest(self) -> str:
        """The number of cases and batches: the loader's data are not read."""
        return f"loader of {self.size} cases in {self.per_epoch} batches"


def as_batches(data: Data, batch_size: int, device: torch.device, dtype: torch.dtype | None = None) -> Batches:
    """Batches of a pair of tensors or arrays, or of a DataLoader; floating-point values are cast to `dtype`.

    `dtype` is the network's; torch's default dtype if it is left out.

    Raises:
        DataError: if the data are no such pair, empty, mismatched, not finite, or of unknown size, or the batch
            size is not a positive whole number.
    """
    dtype = dtype or torch.get_default_dtype()
    if not isinstance(batch_size, numbers.Integral) or batch_size < 1:
        raise DataError(f"batch_size={batch_size!r}: give a whole number of at least 1.")
    if isinstance(data, DataLoader):
        _check_loader(data)
        return LoaderBatches(data, device, dtype)
    if not (isinstance(data, list | tuple) and len(data) == 2):
        raise DataError(f"data: got {_kind(data)}; give a pair (inputs, targets) of tensors or arrays, or a DataLoader.")
    inputs, targets = (as_tensor(part, dtype) for part in data)
    check_data(inputs, targets)
    return TensorBatches(inputs, targets, batch_size, device)


def as_tensor(values: Tensor | np.ndarray, dtype: torch.dtype) -> Tensor:
    """The values as a tensor: floating-point ones in `dtype`, others (labels) as they are.

    Raises:
        DataError: for an array of text or objects, and for what is neither tensor nor array.
    """
    if not isinstance(values, Tensor | np.ndarray):
        raise DataError(f"data: got {_kind(values)} where a tensor or NumPy array goes; convert it with numpy.asarray.")
    if isinstance(values, np.ndarray):
        try:
            values = torch.from_numpy(np.require(values, requirements=["C", "W"]))
        except TypeError as error:
            raise DataError(f"an array of dtype {values.dtype} cannot become a tensor; give numbers.") from error
    return values.to(dtype) if values.is_floating_point() else values


def _kind(values: Any) -> str:
    return f"{type(values).__name__} of {len(values)}" if isinstance(values, list | tuple) else type(values).__name__


def _check_loader(loader: DataLoader[Any]) -> None:
    if not hasattr(loader.dataset, "__len__") or len(loader.dataset) == 0:  # type: ignore[arg-type]
        raise DataError("the DataLoader's data set is empty or of unknown size; the prior needs to know N.")
    if len(loader) == 0:
        raise DataError("the DataLoader has no batch: its data set is smaller than a batch, and drop_last drops that.")
    owners = (loader, loader.sampler, getattr(loader.batch_sampler, "sampler", None))
    if any(getattr(owner, "generator", None) is not None for owner in owners):
        raise DataError(
            "the DataLoader or its sampler has its own generator, whose order a resumed fit could not repeat; leave "
            "`generator` out: the fit's seed governs the order."
        )
