"""Example inputs are copied, shortened and described without loss of structure."""

from collections import namedtuple

import torch

from bayes_guided.architecture.inputs import (
    as_arguments,
    batch_size,
    describe,
    first_samples,
    like_parameters,
    map_tensors,
    perturbed,
    tensors_in,
)

Pair = namedtuple("Pair", ["left", "right"])


def test_arguments_are_copies() -> None:
    x = torch.zeros(3, 2)
    (kept,) = as_arguments(x)
    x += 1
    assert isinstance(kept, torch.Tensor)
    assert not kept.any()


def test_only_inputs_that_share_their_first_axis_are_shortened() -> None:
    together = first_samples((torch.zeros(5, 2), {"mask": torch.ones(5)}, 3))
    assert isinstance(together, tuple)
    assert together[0].shape == (2, 2)
    assert together[1]["mask"].shape == (2,)
    assert together[2] == 3
    apart = (torch.zeros(5, 2), torch.zeros(4))
    assert first_samples(apart) is apart
    assert (batch_size(together), batch_size(apart)) == (2, 1)


def test_nested_structures_keep_their_types() -> None:
    doubled = map_tensors(lambda t: t * 2, (Pair(torch.ones(1), [torch.ones(1), "text"]),))
    assert isinstance(doubled[0], Pair)
    assert [float(t) for t in tensors_in(doubled)] == [2.0, 2.0]
    assert doubled[0].right[1] == "text"


def test_perturbation_is_private_and_leaves_integers() -> None:
    before = torch.get_rng_state()
    given = (torch.zeros(3, 2), torch.arange(3))
    first, second = (perturbed(given, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0], second[0])
    assert first[0].std() > 0.1
    assert torch.equal(first[1], given[1])


def test_arguments_follow_the_dtype_of_the_network() -> None:
    moved = like_parameters((torch.zeros(1), torch.arange(2)), torch.nn.Linear(1, 1).double())
    assert [t.dtype for t in tensors_in(moved)] == [torch.float64, torch.int64]


def test_description() -> None:
    assert describe((torch.zeros(3, 2), torch.arange(3))) == "(3, 2) float32 on cpu, (3,) int64 on cpu"
