"""Whether a gate at zero silences all that would leave with it."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from bayes_guided.nn import Gate
from bayes_guided.types import Masks

from . import layers
from .comparison import TOLERANCE, gap, outputs
from .inputs import ExampleInputs
from .removal import zero_rows
from .unit_group import Cut, UnitGroup


def is_heard(
    net: nn.Module, groups: Sequence[UnitGroup], masks: Masks, arguments: ExampleInputs, generator: torch.Generator
) -> bool:
    """Whether the outputs of `net`, which is changed, still depend on weights that would leave with units that are off.

    Those are the weights behind a gate: they are in no row, so that a row of zero says nothing of them.
    """
    with torch.no_grad():
        zero_rows(net, groups, masks)
        still = outputs(net, arguments)
        for weights in _behind_gates(net, groups, masks):
            noise = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
            weights.copy_(noise.to(weights))
        return not gap(still, outputs(net, arguments)) <= TOLERANCE


def _behind_gates(net: nn.Module, groups: Sequence[UnitGroup], masks: Masks) -> Iterator[Tensor]:
    for group in groups:
        off = ~masks[group.name]
        for cut in group.cuts if group.is_gated and bool(off.any()) else ():
            yield from _weights(net.get_submodule(cut.module), cut, off)


def _weights(module: nn.Module, cut: Cut, off: Tensor) -> Iterator[Tensor]:
    """Views of what leaves with a cut; of channels, what makes them (norms between keep their constants)."""
    if cut.side == "whole" and not isinstance(module, Gate):
        yield from module.parameters()
    elif cut.side == "out" and (layers.is_crossing(module) or isinstance(module, layers.Attention)):
        for entry in layers.owned_parameters(module):
            moved = module.get_parameter(entry.name).movedim(entry.axis, 0)
            yield from (moved[position] for position in cut.index[off].flatten().tolist())
