"""Whether a norm's scale and shift at zero silence a unit, whatever the weights before the norm are."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from .comparison import TOLERANCE, gap, outputs
from .inputs import ExampleInputs
from .trial import break_symmetries, half_of_the_units
from .unit_group import Role, RowBlock, UnitGroup

_OF_NORMS = (Role.NORM_SCALE, Role.NORM_SHIFT)


def with_silencing(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> list[UnitGroup]:
    """The groups with `norm_silences` measured on `net`, a private copy in evaluation mode, which stays as it is.

    It fails where a layer reads the channels from before the norm too, as in dense networks, or the norm mixes them.
    """
    normed = [group for group in groups if group.has_norm]
    silenced = _silenced(net, normed, arguments)
    return [replace(group, norm_silences=group.name in silenced) for group in groups]


def _silenced(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> set[str]:
    """Names of the groups that are silent; tried together first, and one by one where something is heard."""
    if not groups:
        return set()
    if not _is_heard(net, groups, arguments):
        return {group.name for group in groups}
    return {group.name for group in groups if len(groups) > 1 and not _is_heard(net, [group], arguments)}


def _is_heard(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> bool:
    """Whether the outputs change with the weights before the norms of units whose norms are zero."""
    trial, generator = copy.deepcopy(net), torch.Generator().manual_seed(0)
    masks = half_of_the_units(groups, generator)
    with torch.no_grad():
        break_symmetries(trial, generator)
        for group in groups:
            for block in group.blocks:
                if block.role in _OF_NORMS:
                    _fill(trial, block, ~masks[group.name], None)
        still = outputs(trial, arguments)
        for group in groups:
            for block in group.blocks:
                if block.role not in _OF_NORMS:
                    _fill(trial, block, ~masks[group.name], generator)
        return not gap(still, outputs(trial, arguments)) <= TOLERANCE


def _fill(net: nn.Module, block: RowBlock, off: torch.Tensor, generator: torch.Generator | None) -> None:
    """Zeros, or noise, in what the units that are off own of a parameter."""
    weights = net.get_parameter(block.parameter).movedim(block.axis, 0)
    places = block.index[off].flatten()
    if generator is None:
        weights[places] = 0.0
    else:
        weights[places] = torch.randn(weights[places].shape, generator=generator, dtype=torch.float64).to(weights)
