"""Peak memory of computations whose tensors can be counted by hand."""

import torch
from torch.func import vmap

from bayes_guided.infer.prediction.tracked_memory import TrackedMemory

KILO = 4 * 1000


def test_what_is_freed_does_not_count_any_more():
    with TrackedMemory() as memory:
        first = torch.zeros(1000)
        second = first + 1
        del first
        third = second * 2
        del second, third
        torch.zeros(500)
    assert memory.peak == 2 * KILO
    assert memory.live == 0


def test_views_and_tensors_from_outside_take_nothing():
    outside = torch.zeros(50, 20)
    with TrackedMemory() as memory:
        outside.t().reshape(20, 50)[3:].add_(1)
        made = torch.ones(1000)
        made.view(10, 100)[2].mul_(3)
    assert memory.peak == KILO


def test_a_chain_of_operations_under_vmap():
    weights, x = torch.ones(7, 1000), torch.ones(1000)

    def layer(weight):
        return (weight * x).relu()

    with TrackedMemory() as memory:
        vmap(layer)(weights)
    assert memory.peak == 2 * 7 * KILO
