"""Which channels leave a network with the units that are off, how those units fall silent, and the cut itself."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bayes_guided.nn import Gate, HeadAttention, Skipped, Zero
from bayes_guided.types import Masks

from . import layers
from .blocks import is_under
from .unit_group import UnitGroup

Removed = dict[tuple[str, str], list[int]]
"""(layer, side) to the positions that leave, in original coordinates; side is "in", "out" or "whole"."""


def removed_channels(groups: Sequence[UnitGroup], masks: Masks) -> Removed:
    """The union, over all groups, of the channels of units whose mask is False.

    Of modules that leave whole, only the outermost are named, and nothing inside them.
    """
    removed: Removed = {}
    for group in groups:
        off = ~masks[group.name]
        for place, index in group.removals.items():
            removed.setdefault(place, []).extend(index[off].flatten().tolist())
    gone = {name for (name, side), positions in removed.items() if side == "whole" and positions}
    outermost = {name for name in gone if not is_under(name, gone - {name})}
    return {
        (name, side): sorted(positions)
        for (name, side), positions in removed.items()
        if positions and (side == "whole" if name in outermost else not is_under(name, gone))
    }


def zero_rows(net: nn.Module, groups: Sequence[UnitGroup], masks: Masks) -> None:
    """Set the rows of the units whose mask is False to zero, in place."""
    with torch.no_grad():
        for group in groups:
            off = ~masks[group.name]
            for block in group.blocks:
                net.get_parameter(block.parameter).movedim(block.axis, 0)[block.index[off].flatten()] = 0.0


def zero_readers(net: nn.Module, removed: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Set the weights with which the next layers read the removed channels to zero, in place."""
    with torch.no_grad():
        for (name, side), positions in removed.items():
            module = net.get_submodule(name)
            if side == "in" and layers.is_crossing(module):
                weight = module.get_parameter("weight").movedim(layers.in_axis(module), 0)
                # A grouped convolution stores the input channels of one group; a unit has the same place in each.
                weight[[position % len(weight) for position in positions]] = 0.0


def remove_channels(net: nn.Module, removed: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Cut the channels out of the layers of `net` in place.

    Every parameter that is cut becomes a new one, without a gradient; its requires_grad flag is kept. Modules that leave
    whole are replaced by others without parameters.
    """
    for (name, side), positions in removed.items():
        module = net.get_submodule(name)
        channels = layers.out_channels(module) if side == "out" else layers.in_channels(module)
        kept = torch.tensor(sorted(set(range(channels or 0)) - set(positions)), dtype=torch.long)
        match module:
            case _ if side == "whole":
                replace_module(net, name, Zero() if isinstance(module, Gate) else Skipped(module))
            case Gate():
                if side == "out":
                    _cut_gate(module, kept, selects=(name, "in") not in removed)
            case nn.MultiheadAttention() | HeadAttention():
                _cut_heads(net, name, module, kept)
            case _ if side == "out":
                _cut_outputs(module, kept)
            case _:
                _cut_inputs(module, kept)


def replace_module(net: nn.Module, name: str, new: nn.Module) -> None:
    """Put a module in the place of the one called `name`, in its mode."""
    parent, _, attribute = name.rpartition(".")
    setattr(net.get_submodule(parent), attribute, new.train(net.get_submodule(name).training))


def _cut_gate(gate: Gate, kept: Tensor, *, selects: bool) -> None:
    """Keep some gates; one that selects still meets all channels, and keeps those of its gates."""
    if selects:
        kept = kept.to(gate.weight.device)
        gate.selected = kept if gate.selected is None else gate.selected[kept]
    _cut_parameter(gate, "weight", 0, kept)


def _cut_heads(net: nn.Module, name: str, module: layers.Attention, kept: Tensor) -> None:
    """Keep some heads: `kept` are the rows of the input projection that stay; the output projection is cut by itself."""
    ours = module if isinstance(module, HeadAttention) else HeadAttention.from_torch(module)
    heads = kept[kept < ours.num_heads * ours.head_dim] // ours.head_dim
    for entry in layers.owned_parameters(ours):
        _cut_parameter(ours, entry.name, entry.axis, kept)
    ours.kept = ours.kept[heads.unique().to(ours.kept.device)]
    replace_module(net, name, ours)


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
