"""Trial removal: a group is trusted only if cutting units out of a copy equals silencing them."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .comparison import TOLERANCE, gap, outputs
from .inputs import ExampleInputs, like_parameters
from .removal import remove_channels, removed_channels, zero_readers, zero_rows
from .unit_group import UnitGroup


def failing_groups(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> dict[str, str]:
    """Reasons, by group name, why removing units of a group does not give what silencing them gives.

    `net` is a private copy in evaluation mode. Half of the units of every group are removed at once; only if that
    fails are the groups tried one by one, and then together again.
    """
    if _difference(net, groups, arguments) is None:
        return {}
    alone = {group.name: _difference(net, [group], arguments) for group in groups}
    failures = {name: reason for name, reason in alone.items() if reason is not None}
    trusted: list[UnitGroup] = []
    remaining = [group for group in groups if group.name not in failures]
    if _difference(net, remaining, arguments) is None:
        return failures
    for group in remaining:
        reason = _difference(net, [*trusted, group], arguments)
        if reason is None:
            trusted.append(group)
        else:
            failures[group.name] = reason
    return failures


def _difference(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> str | None:
    """Why the network without half of the units of `groups` differs from the one where they are silent, or None."""
    if not groups:
        return None
    try:
        difference = _gap_of_trial(copy.deepcopy(net), groups, arguments)
        if difference > TOLERANCE and math.isfinite(difference):
            # Rounding in a deep float32 network can exceed the tolerance: double precision tells it from a mistake.
            double = copy.deepcopy(net).double()
            difference = _gap_of_trial(double, groups, like_parameters(arguments, double))
    except Exception as error:  # noqa: BLE001  a network may raise anything; the reason is reported
        return f"belongs to a network that fails without some units ({type(error).__name__}: {_first_line(error)})"
    if math.isinf(difference):
        return "changes the shape of the output when units are removed"
    if difference > TOLERANCE:
        return "has channels that the network mixes: removing units is not the same as setting them to zero"
    return None


def _gap_of_trial(trial: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> float:
    generator = torch.Generator().manual_seed(0)
    removed = removed_channels(groups, _half_of_the_units(groups, generator))
    with torch.no_grad():
        _break_symmetries(trial, generator)
        zero_rows(trial, removed)
        zero_readers(trial, removed)
        expected = outputs(trial, arguments)
        remove_channels(trial, removed)
        return gap(expected, outputs(trial, arguments))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _half_of_the_units(groups: Sequence[UnitGroup], generator: torch.Generator) -> dict[str, Tensor]:
    masks = {}
    for group in groups:
        masks[group.name] = torch.ones(group.size, dtype=torch.bool)
        units = torch.randperm(group.size, generator=generator)[: max(1, group.size // 2)]
        masks[group.name][units] = False
    return masks


def _break_symmetries(net: nn.Module, generator: torch.Generator) -> None:
    """Noise on parameters that start constant, such as zero biases and norms, which would hide a mistake."""
    for parameter in net.parameters():
        if parameter.is_floating_point() and parameter.numel() and parameter.max() == parameter.min():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.1 * noise.to(parameter))
