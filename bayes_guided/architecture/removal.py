"""Which channels leave a network with the units that are off, how those units fall silent, and the cut itself."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bayes_guided.types import Masks

from . import layers
from .unit_group import UnitGroup

Removed = dict[tuple[str, str], list[int]]
"""(layer, side) to the positions that leave, in original coordinates; side is "in" or "out"."""


def removed_channels(groups: Sequence[UnitGroup], masks: Masks) -> Removed:
    """The union, over all groups, of the channels of units whose mask is False."""
    removed: Removed = {}
    for group in groups:
        off = ~masks[group.name]
        for place, index in group.removals.items():
            removed.setdefault(place, []).extend(index[off].flatten().tolist())
    return {place: sorted(positions) for place, positions in removed.items() if positions}


def zero_rows(net: nn.Module, removed: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Set everything that the removed channels own to zero, in place."""
    with torch.no_grad():
        for (name, side), positions in removed.items():
            if side == "out":
                module = net.get_submodule(name)
                for entry in layers.owned_parameters(module):
                    module.get_parameter(entry.name).movedim(entry.axis, 0)[list(positions)] = 0.0


def zero_readers(net: nn.Module, removed: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Set the weights with which the next layers read the removed channels to zero, in place."""
    with torch.no_grad():
        for (name, side), positions in removed.items():
            if side == "in":
                module = net.get_submodule(name)
                weight = module.get_parameter("weight").movedim(layers.in_axis(module), 0)
                # A grouped convolution stores the input channels of one group; a unit has the same place in each.
                weight[[position % len(weight) for position in positions]] = 0.0


def remove_channels(net: nn.Module, removed: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Cut the channels out of the layers of `net` in place.

    Every parameter that is cut becomes a new one, without a gradient; its requires_grad flag is kept.
    """
    for (name, side), positions in removed.items():
        module = net.get_submodule(name)
        channels = layers.out_channels(module) if side == "out" else layers.in_channels(module)
        kept = torch.tensor(sorted(set(range(channels or 0)) - set(positions)), dtype=torch.long)
        if side == "out":
            _cut_outputs(module, kept)
        else:
            _cut_inputs(module, kept)


def _cut_outputs(module: nn.Module, kept: Tensor) -> None:
    for entry in layers.owned_parameters(module):
        _cut_parameter(module, entry.name, entry.axis, kept)
    for name in ("running_mean", "running_var"):
        statistic = getattr(module, name, None)
        if statistic is not None:
            setattr(module, name, statistic[kept.to(statistic.device)])
    layers.set_out_channels(module, len(kept))


def _cut_inputs(module: nn.Module, kept: Tensor) -> None:
    # A grouped convolution stores the input channels of one group, and every group keeps the same places.
    per_group = (layers.in_channels(module) or 0) // layers.channel_groups(module)
    _cut_parameter(module, "weight", layers.in_axis(module), kept[kept < per_group])
    layers.set_in_channels(module, len(kept))


def _cut_parameter(module: nn.Module, name: str, axis: int, kept: Tensor) -> None:
    whole = module.get_parameter(name)
    part = whole.detach().index_select(axis, kept.to(whole.device))
    setattr(module, name, nn.Parameter(part, requires_grad=whole.requires_grad))
