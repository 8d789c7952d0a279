"""Exchange of units: the same network with the units of a group in another order."""

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor, nn

from bayes_guided.nn.modes import evaluating

from . import layers
from .architecture import Architecture
from .comparison import TOLERANCE, gap, outputs
from .inputs import like_parameters
from .unit_group import UnitGroup


def is_exchangeable(net: nn.Module, architecture: Architecture, group: UnitGroup) -> bool:
    """Whether units of the group can change places, weights that read them included, with no change of the function.

    Found by trial, at weights that are all different: the network with all units one place further computes the same on the
    example inputs. Not so for gates on the inputs, nor where a grouped convolution or attention reads the units.
    """
    if group.size == 1 or not _is_simple(net, group):
        return False
    trial, generator = copy.deepcopy(net), torch.Generator().manual_seed(0)
    arguments = like_parameters(architecture.example_inputs, trial)
    with torch.no_grad(), evaluating(trial):
        for parameter in trial.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator).to(parameter)
        before = outputs(trial, arguments)
        exchange(trial, architecture, group, torch.arange(group.size).roll(1))
        return gap(before, outputs(trial, arguments)) <= TOLERANCE


@torch.no_grad()
def exchange(net: nn.Module, architecture: Architecture, group: UnitGroup, order: Int[Tensor, "units"]) -> None:
    """Puts unit `order[u]` in the place of unit u, in place: its row, the weights that read it, running statistics."""
    exchanged = exchanged_parameters(net, architecture, group, order, dict(net.named_parameters()))
    for name, parameter in net.named_parameters():
        parameter.copy_(exchanged[name])
    exchange_statistics(net, group, order)


def exchanged_parameters(
    net: nn.Module,
    architecture: Architecture,
    group: UnitGroup,
    order: Int[Tensor, "units"],
    parameters: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Any numbers in the places of the network's parameters, with the group's units in another order."""
    rows = architecture.rows(parameters)
    found = architecture.parameters(
        {**rows, group.name: rows[group.name][order.to(rows[group.name].device)]}, architecture.rest_vector(parameters)
    )
    for cut in group.cuts:
        module = net.get_submodule(cut.module)
        if cut.side == "in" and layers.is_crossing(module):
            name, axis = f"{cut.module}.weight", layers.in_axis(module)
            found[name] = _moved(found[name], axis, cut.index, order)
    return found


@torch.no_grad()
def exchange_statistics(net: nn.Module, group: UnitGroup, order: Int[Tensor, "units"]) -> None:
    """Running statistics of norms, in place."""
    for (name, side), index in group.removals.items():
        for kind in ("running_mean", "running_var"):
            statistic = getattr(net.get_submodule(name), kind, None)
            if side == "out" and statistic is not None:
                statistic.copy_(_moved(statistic, 0, index, order))


def _moved(values: Tensor, axis: int, index: Int[Tensor, "units positions"], order: Int[Tensor, "units"]) -> Tensor:
    """The values at the positions of unit order[u] in the place of those of unit u."""
    source = torch.arange(values.shape[axis])
    source[index.flatten()] = index[order].flatten()
    return values.index_select(axis, source.to(values.device))


def _is_simple(net: nn.Module, group: UnitGroup) -> bool:
    modules = [(side, net.get_submodule(name)) for name, side in group.removals]
    return not group.folds and all(
        side != "whole" and layers.channel_groups(module) == 1 and not isinstance(module, layers.Attention)
        for side, module in modules
    )
