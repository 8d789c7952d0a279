"""Parameters and MACs as functions of the widths, against counts of networks that were really cut."""

import math
from itertools import product
from typing import Any

import pytest
import torch
import torch_pruning
from torch import Tensor, nn

from bayes_guided.architecture import Architecture, reduce
from bayes_guided.exceptions import ProtectedGroupError
from bayes_guided.nn import HeadAttention
from tests.architecture.zoo import Case, architecture, every_case, plain_attention, run
from tests.architecture.zoo_nets import Residual, mlp


def multiply_accumulates(net: nn.Module, example: Any, batch: int) -> float:
    """Counted from the weights that are there and the positions where they are applied."""
    total = 0.0

    def count(module: Any, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        transposed = getattr(module, "transposed", False)
        if isinstance(module, nn.Linear):
            positions = math.prod(output.shape[:-1])
        else:
            spatial = (given[0] if transposed else output).shape[2:]
            positions = output.shape[0] * math.prod(spatial)
        total += positions * module.weight.numel()

    def count_attention(module: Any, given: tuple[Tensor, ...], keywords: dict[str, Tensor], _: Any) -> None:
        nonlocal total
        roles = dict(zip(("query", "key", "value"), given, strict=False)) | keywords
        for role, part in zip(("query", "key", "value"), module.in_proj_weight.chunk(3), strict=True):
            total += math.prod(roles[role].shape[:-1]) * part.numel()
        total += math.prod(roles["query"].shape[:-1]) * module.out_proj.weight.numel()

    for module in net.modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            module.register_forward_hook(count)
        elif isinstance(module, nn.MultiheadAttention | HeadAttention):
            module.register_forward_hook(count_attention, with_kwargs=True)
    with plain_attention():
        run(net, example)
    return total / batch


def batch_of(example: Any) -> int:
    first = next(iter(example.values())) if isinstance(example, dict) else example
    return len(first[0] if isinstance(first, tuple) else first)


@every_case
def test_costs_are_those_of_the_network_that_was_cut(case: Case) -> None:
    found, net, example = architecture(case), case.net(), case.example()
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        masks = {g.name: torch.rand(g.size, generator=generator) < 0.6 for g in found.groups}
        for group in found.groups:
            if not group.removable_whole:
                masks[group.name][0] = True
        sub = found.sub_architecture(masks)
        small = reduce(net, sub)
        names = {name for name, _ in net.named_parameters()}
        assert sub.num_parameters == sum(p.numel() for n, p in small.named_parameters() if n in names)
        assert sub.macs == multiply_accumulates(small, example, batch_of(example))


@every_case
def test_the_full_costs_are_those_of_the_network(case: Case) -> None:
    """Without the gates that every reduction folds into other weights."""
    found, net, example = architecture(case), case.net(), case.example()
    folded = sum(group.size for group in found.groups if group.folds)
    assert found.full().num_parameters == sum(parameter.numel() for parameter in net.parameters()) - folded
    assert found.full().macs == multiply_accumulates(net, example, batch_of(example))


def test_a_residual_network_by_hand() -> None:
    found = Architecture.from_module(Residual(), torch.randn(2, 3, 8, 8))
    w, v, u = 4, 2, 7
    convolutions = 27 * w + 9 * w * v + 9 * v * w + 9 * w * u + w * u
    assert found.costs.parameters({"stem": w, "conv1": v, "conv3": u}) == convolutions + 4 * w + 2 * v + 5 * u + 3
    assert found.costs.macs({"stem": w, "conv1": v, "conv3": u}) == (
        64 * (27 * w + 18 * w * v) + 16 * (9 * w * u + w * u) + 3 * u
    )


def test_tensors_of_widths_broadcast() -> None:
    costs = Architecture.from_module(Residual(), torch.randn(2, 3, 8, 8)).costs
    stem = torch.arange(1, 7, dtype=torch.float64)[:, None]
    conv1 = torch.arange(1, 6, dtype=torch.float64)
    parameters = costs.parameters({"stem": stem, "conv1": conv1})
    macs = costs.macs({"stem": stem, "conv1": conv1})
    assert parameters.shape == macs.shape == (6, 5)
    for i, j in product(range(6), range(5)):
        assert parameters[i, j] == costs.parameters({"stem": i + 1, "conv1": j + 1})
        assert macs[i, j] == costs.macs({"stem": i + 1, "conv1": j + 1})


def test_one_unit_is_the_difference_it_makes() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    assert found.costs.unit_parameters("0") == 5 + 1 + 6
    assert found.costs.unit_macs("0") == 5 + 6
    assert found.costs.unit_parameters("2") == 8 + 1 + 3


def test_an_unknown_group_is_refused() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    with pytest.raises(ProtectedGroupError, match="no group '9'"):
        found.costs.parameters({"9": 3})


def test_torch_pruning_counts_the_same_where_its_convention_is_the_same() -> None:
    """Its count adds biases and norms to the convolutions; without them it is ours."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.Conv2d(6, 8, 3, groups=2, bias=False), nn.Flatten(), nn.Linear(128, 4, bias=False)
    )
    x = torch.randn(1, 3, 8, 8)
    found = Architecture.from_module(net, x)
    macs, parameters, *_ = torch_pruning.utils.count_ops_and_params(net, x)
    assert (found.full().macs, found.full().num_parameters) == (macs, parameters)
