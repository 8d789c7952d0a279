"""Gates multiplied into the weights of their neighbours, where that computes the same.

Which neighbours can take a gate is read off the channel graph: only operations that commute with a factor may lie between.
That they compute the same is then tried, with random gates.
"""

import copy
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from bayes_guided.nn import Gate, HeadAttention, Select

from . import layers
from .channel_graph import Station
from .comparison import gap, outputs
from .discovery import Discovered
from .inputs import ExampleInputs
from .unit_group import Cut, Role, UnitGroup

_SAME = 1e-3
"""Relative difference of outputs that rounding may cause; a wrong fold gives one of order 1."""

_LINEAR = {
    "View", "UnsafeView", "ReshapeAlias", "Transpose", "T", "Permute", "Squeeze", "Unsqueeze", "Clone", "Alias",
    "Slice", "Select", "Expand", "AsStrided", "Mean", "Sum", "ConstantPadNd", "ReflectionPad1D", "ReflectionPad2D",
    "ReplicationPad1D", "ReplicationPad2D", "AvgPool2D", "AvgPool3D", "AdaptiveAvgPool2D", "AdaptiveAvgPool3D",
    "MkldnnAdaptiveAvgPool2D", "UpsampleNearest2D", "UpsampleBilinear2D", "Addmm", "Mm",
}  # fmt: skip
"""Operations that commute with a factor per channel, by autograd's names; the last two are linear layers on sequences."""

_POSITIVELY_HOMOGENEOUS = {
    "Relu", "LeakyRelu", "PreluKernel", "MaxPool2DWithIndices", "MaxPool3DWithIndices", "AdaptiveMaxPool2D",
    "AdaptiveMaxPool3D", "Amax", "Max",
}  # fmt: skip
"""Operations that commute with factors of 0 or more."""


def with_folds(net: nn.Module, found: Discovered, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> list[UnitGroup]:
    """The groups, gated ones with the layers that take their gates; gates that stay have none."""
    return [_with_fold(net, found, group, arguments) if group.is_gated else group for group in groups]


def _with_fold(net: nn.Module, found: Discovered, group: UnitGroup, arguments: ExampleInputs) -> UnitGroup:
    if group.folds and not group.removable_whole:
        return group  # heads: their output projection is linear
    for folds in [group.folds] if group.removable_whole else _neighbours(net, found, group):
        if folds and _is_exact(net, replace(group, folds=folds), arguments):
            return replace(group, folds=folds)
    return replace(group, folds=())


def _neighbours(net: nn.Module, found: Discovered, group: UnitGroup) -> Iterable[tuple[Cut, ...]]:
    """The layers that read what leaves the gate, then the layers whose results enter it."""
    (block, *others) = group.blocks
    name = group.layers[0]
    if others or len(block.index) < len(net.get_parameter(block.parameter)):
        return  # several gates a unit, or one gate for several groups: their values have no single place
    commuting = _LINEAR if block.role is Role.SIGNED_GATE else _LINEAR | _POSITIVELY_HOMOGENEOUS
    stations = {s.side: s for s in found.stations if s.layer == name}
    for side in ("out", "in"):
        met = _met(stations[side], commuting)
        if met is None:
            continue
        fits = all(layers.is_crossing(net.get_submodule(s.layer or "")) for s in met) if side == "out" else True
        places = [(s.layer or "", s.side) for s in met]
        if fits and all(place in group.removals and place[1] != side for place in places):
            yield tuple(Cut(*place, group.removals[place]) for place in places)


def _met(start: Station, commuting: Collection[str]) -> list[Station] | None:
    """The stations of layers next to this one, beyond operations that commute with a gate; None if others lie between."""
    seen, met, frontier = {start}, [], [start]
    while frontier:
        for other, _ in frontier.pop().edges:
            if other in seen:
                continue
            seen.add(other)
            if other.layer is not None:
                met.append(other)
            elif other.operation.rstrip("0123456789").removesuffix("Backward") in commuting:
                frontier.append(other)
            else:
                return None
    return met


def _is_exact(net: nn.Module, group: UnitGroup, arguments: ExampleInputs) -> bool:
    """Whether the network computes the same with random gates multiplied into the neighbours."""
    trial = copy.deepcopy(net)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        gate = trial.get_parameter(group.blocks[0].parameter)
        gate.copy_(1 + torch.randn(gate.shape, generator=generator).to(gate))
        expected = outputs(trial, arguments)
        fold_values(trial, [group])
        return gap(expected, outputs(trial, arguments)) <= _SAME


def fold_values(net: nn.Module, groups: Iterable[UnitGroup]) -> None:
    """Multiply the gates into their neighbours' weights and set them to 1, in place."""
    with torch.no_grad():
        for group in groups:
            for block in group.blocks if group.folds else ():
                gate = net.get_submodule(block.parameter.rpartition(".")[0])
                assert isinstance(gate, Gate)
                values = gate.values[block.index.flatten().to(gate.weight.device)].clone()
                for cut in group.folds:
                    _multiply(net.get_submodule(cut.module), cut, values)
                gate.weight[block.index.flatten()] = 1.0


def _multiply(module: nn.Module, cut: Cut, values: Tensor) -> None:
    if cut.side == "out":
        for entry in layers.owned_parameters(module):
            _scale(module.get_parameter(entry.name).movedim(entry.axis, 0), cut.index, values)
        return
    weight = module.get_parameter("weight").movedim(layers.in_axis(module), 0)
    # A grouped convolution stores the input channels of one group; a unit has the same place in each.
    per_group = cut.index.shape[1] // layers.channel_groups(module)
    _scale(weight, (cut.index % len(weight))[:, :per_group], values)


def _scale(weight: Tensor, index: Tensor, values: Tensor) -> None:
    factors = values.repeat_interleave(index.shape[1]).reshape(-1, *[1] * (weight.dim() - 1))
    weight[index.flatten()] *= factors.to(weight)


def folded_gates(groups: Iterable[UnitGroup]) -> list[str]:
    """Names of the gates that leave with the reduction, since their neighbours have taken them."""
    return [group.layers[0] for group in groups if group.folds]


def drop_gates(net: nn.Module, names: Collection[str]) -> None:
    """Take gates that were folded out of the network in place; what selects keeps selecting."""
    present = dict(net.named_modules())
    for name in names:
        gate = present.get(name)
        if isinstance(gate, Gate):
            parent_name, _, attribute = name.rpartition(".")
            parent = net.get_submodule(parent_name)
            if isinstance(parent, HeadAttention):
                parent.gate = None
            elif gate.selected is not None:
                setattr(parent, attribute, Select(gate.selected, gate.axis))
            else:
                setattr(parent, attribute, nn.Identity())
