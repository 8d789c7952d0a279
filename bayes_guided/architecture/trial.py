"""Trial removal: a group is trusted only if cutting units out of a copy equals silencing them."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .comparison import TOLERANCE, gap, outputs
from .inputs import ExampleInputs, like_parameters
from .removal import remove_channels, removed_channels, zero_readers, zero_rows
from .shaking import is_heard
from .unit_group import UnitGroup

Shapes = list[torch.Size]


def failing_groups(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> dict[str, str]:
    """Reasons, by group name, why removing units of a group does not give what silencing them gives.

    `net` is a private copy in evaluation mode. Half of the units of every group are removed at once; only if that
    fails are the groups tried one by one, and then together again. In training mode the network must still run and
    put out the same shapes, if it does so with all units: it may have layers that only training uses.
    """
    training = _training_shapes(copy.deepcopy(net), arguments)

    def failure(some: Sequence[UnitGroup]) -> str | None:
        return _failure(net, some, arguments, training) if some else None

    if failure(groups) is None:
        return {}
    alone = {group.name: failure([group]) for group in groups}
    failures = {name: reason for name, reason in alone.items() if reason is not None}
    remaining = [group for group in groups if group.name not in failures]
    if failure(remaining) is None:
        return failures
    trusted: list[UnitGroup] = []
    for group in remaining:
        reason = failure([*trusted, group])
        if reason is None:
            trusted.append(group)
        else:
            failures[group.name] = reason
    return failures


def _failure(net: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs, training: Shapes | None) -> str | None:
    """Why the network without half of the units of `groups` differs from the one where they are silent, or None."""
    trial = copy.deepcopy(net)
    try:
        difference = _gap_of_trial(trial, groups, arguments)
        if difference > TOLERANCE and math.isfinite(difference):
            # Rounding in a deep float32 network can exceed the tolerance: double precision tells it from a mistake.
            double = copy.deepcopy(net).double()
            difference = _gap_of_trial(double, groups, like_parameters(arguments, double))
    except Exception as error:  # noqa: BLE001  a network may raise anything; the reason is reported
        return f"belongs to a network that fails without some units ({type(error).__name__}: {_first_line(error)})"
    if math.isnan(difference):
        return "belongs to a network whose output is not finite, so that no removal can be checked"
    if math.isinf(difference):
        return "changes the shape of the output when units are removed"
    if difference > TOLERANCE:
        return "has channels that the network mixes: removing units is not the same as setting them to zero"
    generator = torch.Generator().manual_seed(0)
    masks = half_of_the_units(groups, generator)
    if any(group.is_gated for group in groups) and is_heard(copy.deepcopy(net), groups, masks, arguments, generator):
        return "has channels that reach the output past its gate"
    if training is not None and _training_shapes(trial, arguments) != training:
        return "is used in training mode by something that does not lose units with it"
    return None


def _gap_of_trial(trial: nn.Module, groups: Sequence[UnitGroup], arguments: ExampleInputs) -> float:
    """How far cutting half of the units of `trial` in place is from silencing them first."""
    generator = torch.Generator().manual_seed(0)
    masks = half_of_the_units(groups, generator)
    removed = removed_channels(groups, masks)
    with torch.no_grad():
        break_symmetries(trial, generator)
        zero_rows(trial, groups, masks)
        zero_readers(trial, removed)
        expected = outputs(trial, arguments)
        remove_channels(trial, removed)
        return gap(expected, outputs(trial, arguments))


def _training_shapes(trial: nn.Module, arguments: ExampleInputs) -> Shapes | None:
    """Shapes of the outputs in training mode, None where the network does not run in it."""
    trial.train()
    with torch.no_grad():
        try:
            return [tensor.shape for tensor in outputs(trial, arguments)]
        except Exception:  # noqa: BLE001  for example a BatchNorm that sees one value per channel
            return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def half_of_the_units(groups: Sequence[UnitGroup], generator: torch.Generator) -> dict[str, Tensor]:
    """Masks that leave half of the units of every group, at random."""
    masks = {}
    for group in groups:
        masks[group.name] = torch.ones(group.size, dtype=torch.bool)
        units = torch.randperm(group.size, generator=generator)[: max(1, group.size // 2)]
        masks[group.name][units] = False
    return masks


def break_symmetries(net: nn.Module, generator: torch.Generator) -> None:
    """Noise on parameters that start constant, such as zero biases and norms, which would hide a mistake."""
    for parameter in net.parameters():
        if parameter.is_floating_point() and parameter.numel() and parameter.max() == parameter.min():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.1 * noise.to(parameter))
