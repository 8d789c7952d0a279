"""Trial removal: a group is trusted only if cutting units out of a copy equals silencing them."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from . import layers
from .discovery import remove_channels
from .inputs import ExampleInputs, call, tensors_in
from .unit_group import UnitGroup

TOLERANCE = 1e-3
"""Relative to the largest output: far above rounding, far below the effect of a wrong channel."""


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
    generator = torch.Generator().manual_seed(0)
    trial = copy.deepcopy(net)
    removed = _half_of_the_units(groups, generator)
    with torch.no_grad():
        _break_symmetries(trial, generator)
        _silence(trial, removed)
        expected = _outputs(trial, arguments)
        remove_channels(trial, removed)
        try:
            actual = _outputs(trial, arguments)
        except Exception as error:  # noqa: BLE001  a network may raise anything; the reason is reported
            return f"the network does not run after removing units ({type(error).__name__}: {_first_line(error)})"
    return _compare(expected, actual)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _outputs(net: nn.Module, arguments: ExampleInputs) -> list[Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return list(tensors_in(call(net, arguments)))


def _compare(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> str | None:
    if [tensor.shape for tensor in expected] != [tensor.shape for tensor in actual]:
        return "removing units changes the shape of the output"
    for before, after in zip(expected, actual, strict=True):
        gap, scale = before.double() - after.double(), before.double().abs()
        if before.numel() and gap.abs().max() > TOLERANCE * scale.max():
            return "removing units is not the same as setting them to zero: the network mixes their channels"
    return None


def _half_of_the_units(groups: Sequence[UnitGroup], generator: torch.Generator) -> dict[tuple[str, str], list[int]]:
    removed: dict[tuple[str, str], list[int]] = {}
    for group in groups:
        units = torch.randperm(group.size, generator=generator)[: max(1, group.size // 2)]
        for place, index in group.removals.items():
            removed.setdefault(place, []).extend(index[units].flatten().tolist())
    return removed


def _break_symmetries(net: nn.Module, generator: torch.Generator) -> None:
    """Noise on parameters that start constant (zero biases, norms, zero-initialised layers), which would hide a mistake."""
    for parameter in net.parameters():
        if parameter.is_floating_point() and parameter.numel() and parameter.max() == parameter.min():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.1 * noise.to(parameter))


def _silence(net: nn.Module, removed: dict[tuple[str, str], list[int]]) -> None:
    """Zero what the removed channels own and how the next layers read them."""
    for (name, side), positions in removed.items():
        module = net.get_submodule(name)
        if side == "out":
            for entry in layers.owned_parameters(module):
                module.get_parameter(entry.name).movedim(entry.axis, 0)[positions] = 0.0
        elif module.get_parameter("weight").shape[layers.in_axis(module)] == layers.in_channels(module):
            module.get_parameter("weight").movedim(layers.in_axis(module), 0)[positions] = 0.0
        else:
            _silence_grouped_input(module, positions)


def _silence_grouped_input(module: nn.Module, positions: Sequence[int]) -> None:
    """The weight of a grouped convolution has the input channels of one group; a unit takes the same from each."""
    weight = module.get_parameter("weight")
    per_group = weight.shape[layers.in_axis(module)]
    weight.movedim(layers.in_axis(module), 0)[[position % per_group for position in positions]] = 0.0
