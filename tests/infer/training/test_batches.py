"""Batches: every case once an epoch, in an order that torch's generator alone decides; bad data are named."""

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from bayes_guided.exceptions import DataError
from bayes_guided.infer.training.batches import as_batches

CPU = torch.device("cpu")


def numbered(cases: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets that say which case they are."""
    return torch.arange(2.0 * cases).reshape(cases, 2), torch.arange(cases)


def order(batches) -> list[int]:
    return [int(target) for _, targets in batches.epoch() for target in targets]


@pytest.mark.parametrize(("cases", "size"), [(1, 5), (10, 3), (12, 4), (129, 128), (7, 100), (5, 1)])
def test_an_epoch_is_every_case_once_in_batches_of_nearly_equal_size(cases, size):
    batches = as_batches(numbered(cases), size, CPU)
    found = list(batches.epoch())
    lengths = [len(targets) for _, targets in found]
    assert batches.size == cases
    assert batches.per_epoch == len(found) == -(-cases // size)
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert sorted(int(target) for _, targets in found for target in targets) == list(range(cases))
    assert all(torch.equal(inputs[:, 0], 2.0 * targets) for inputs, targets in found)


@pytest.mark.parametrize("loader", [False, True])
def test_torchs_generator_alone_decides_the_order(loader):
    data = DataLoader(TensorDataset(*numbered(20)), batch_size=6, shuffle=True) if loader else numbered(20)
    batches = as_batches(data, 6, CPU)
    states = torch.get_rng_state()
    first, second = order(batches), order(batches)
    np.random.seed(0)  # noqa: NPY002  another generator, which must not matter
    torch.set_rng_state(states)
    assert [order(batches), order(batches)] == [first, second]
    assert first != second
    assert first != list(range(20))


def test_a_sweep_is_the_given_order():
    swept = list(as_batches(numbered(1500), 4, CPU).sweep())
    assert torch.equal(torch.cat([targets for _, targets in swept]), torch.arange(1500))


def test_arrays_become_tensors_in_the_dtype_asked_for():
    x, y = numbered(6)
    for inputs in (x.double().numpy(), x.double(), np.asfortranarray(x.numpy()), x.numpy()[::-1][::-1]):
        batches = as_batches((inputs, y.numpy()), 6, CPU)
        found, labels = next(batches.sweep())
        assert torch.equal(found, x)
        assert labels.dtype == torch.int64
    assert next(as_batches((x, y), 6, CPU, torch.float64).sweep())[0].dtype == torch.float64
    frozen = x.numpy()
    frozen.flags.writeable = False
    assert torch.equal(next(as_batches((frozen, y), 6, CPU).sweep())[0], x)


def test_the_digest_tells_other_data_apart():
    x, y = numbered(6)
    digests = [as_batches(data, 2, CPU).digest() for data in [(x, y), (x + 1e-6, y), (x, y.flip(0)), (x.T.reshape(6, 2), y)]]
    assert len(set(digests)) == 4
    assert as_batches((x.clone(), y.numpy()), 3, CPU).digest() == digests[0]


def test_a_loader_keeps_its_own_batches_and_its_size_is_known():
    data = TensorDataset(*numbered(20))
    whole = as_batches(DataLoader(data, batch_size=8), 128, CPU)
    assert (whole.size, whole.per_epoch) == (20, 3)
    assert [len(targets) for _, targets in whole.epoch()] == [8, 8, 4]
    dropping = as_batches(DataLoader(data, batch_size=8, shuffle=True, drop_last=True), 128, CPU)
    assert (dropping.size, dropping.per_epoch) == (20, 2)
    part = as_batches(DataLoader(data, batch_size=8, sampler=SubsetRandomSampler(range(12))), 128, CPU)
    assert (part.size, part.per_epoch) == (12, 2)
    few = as_batches(DataLoader(data, batch_size=8, sampler=RandomSampler(data, num_samples=9)), 128, CPU)
    assert (few.size, few.per_epoch) == (20, 2)


def test_a_loaders_values_are_cast_as_arrays_are():
    cases = [(np.full(2, 0.5), 1.5), (np.full(2, 0.25), 2.5)]  # collated to float64
    inputs, targets = next(as_batches(DataLoader(cases, batch_size=2), 1, CPU).epoch())  # pyright: ignore[reportArgumentType]
    assert inputs.dtype == targets.dtype == torch.float32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(0, 3), torch.zeros(0)), "empty"),
        ((torch.zeros(4, 3), torch.zeros(5)), "4 rows and y has 5"),
        ((torch.tensor([[0.0], [float("nan")]]), torch.zeros(2)), "row 1"),
        ((torch.zeros(2, 1), torch.tensor([float("inf"), 0.0])), "row 0"),
        ((np.array([["a"], ["b"]]), np.zeros(2)), "cannot become a tensor"),
        ((torch.tensor(1.0), torch.zeros(2)), "single number"),
    ],
)
def test_data_that_cannot_be_used_are_named(data, message):
    with pytest.raises(DataError, match=message):
        as_batches(data, 2, CPU)


class Unsized(IterableDataset):
    """A stream of unknown length."""

    def __iter__(self):
        yield from zip(*numbered(4), strict=True)


def test_loaders_that_cannot_be_used_are_named():
    data = TensorDataset(*numbered(6))
    own = torch.Generator()
    cases = [
        (DataLoader(Unsized()), "unknown size"),
        (DataLoader(TensorDataset(torch.zeros(0, 2), torch.zeros(0))), "empty"),
        (DataLoader(data, batch_size=8, drop_last=True), "no batch"),
        (DataLoader(data, shuffle=True, generator=own), "own generator"),
        (DataLoader(data, sampler=WeightedRandomSampler([1.0] * 6, 6, generator=own)), "own generator"),
    ]
    for loader, message in cases:
        with pytest.raises(DataError, match=message):
            as_batches(loader, 1, CPU)
    with pytest.raises(DataError, match="batch_size=0"):
        as_batches(numbered(3), 0, CPU)


def test_bad_batches_of_a_loader_are_named_when_they_come():
    x, y = numbered(6)
    with pytest.raises(DataError, match="no pairs"):
        next(as_batches(DataLoader(TensorDataset(x, y, y)), 1, CPU).epoch())
    with pytest.raises(DataError, match="no pairs"):
        next(as_batches(DataLoader([{"x": case, "y": 0} for case in x]), 1, CPU).epoch())  # pyright: ignore[reportArgumentType]
    x[3, 1] = float("nan")
    with pytest.raises(DataError, match="NaN"):
        list(as_batches(DataLoader(TensorDataset(x, y)), 1, CPU).epoch())
