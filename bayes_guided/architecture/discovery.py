"""Discovery of a network's channel couplings: torch-pruning's dependency graph as stations and edges.

This file and `mappings` are the only ones that know torch-pruning.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_pruning import ops
from torch_pruning.dependency import DependencyGraph

from bayes_guided.exceptions import ExampleInputError

from . import layers
from .channel_graph import Station, relation
from .inputs import ExampleInputs, call, describe, map_tensors, tensors_in
from .mappings import as_mappings, correct_mappings
from .tracing import Tracing

FEEDS_OUTPUT = "feeds the output"


class _Graph(DependencyGraph):
    """torch-pruning's graph without its inference of concatenation sizes, which raises where an input is concatenated."""

    def _build_dependency(self, module2node: dict[Any, Any]) -> None:
        super()._build_dependency(module2node)
        for node in module2node.values():
            if node.type == ops.OPTYPE.CONCAT:
                node.module.concat_sizes = [0] * len(node.inputs)


@dataclass(frozen=True, eq=False)
class Discovered:
    """Stations of every layer that the trace reached, and what the forward pass showed."""

    stations: tuple[Station, ...]
    tracing: Tracing


def discover(net: nn.Module, arguments: ExampleInputs) -> Discovered:
    """Trace `net` (a private copy: it is left in evaluation mode with gradients on) and translate the graph.

    Raises:
        ExampleInputError: if the network does not run on the arguments.
    """
    tracing = Tracing()
    outputs: list[Tensor] = []

    def forward(model: nn.Module, given: Any) -> Any:
        outputs.extend(_run(model, given, tracing))
        return outputs

    graph = _Graph()
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = map_tensors(_as_intermediate, arguments)
        # A PReLU with one weight treats all channels alike; as a layer, it would couple all places that share it.
        alike: list[nn.Module] = [m for m in net.modules() if isinstance(m, nn.PReLU) and m.num_parameters == 1]
        graph.build_dependency(net, traced, forward_fn=forward, ignored_layers=alike, verbose=False)
    return Discovered(_translate(graph, net, {output.grad_fn for output in outputs}, tracing), tracing)


def _run(net: nn.Module, arguments: ExampleInputs, tracing: Tracing) -> list[Tensor]:
    try:
        with tracing.watching(net):
            result = call(net, arguments)
    except Exception as error:
        raise ExampleInputError(
            f"the network does not run on the example inputs ({describe(arguments)}): {type(error).__name__}: {error}"
        ) from error
    outputs = [tensor for tensor in tensors_in(result) if tensor.grad_fn is not None]
    if not outputs:
        raise ExampleInputError(
            f"the network's output does not depend on its parameters by gradients (inputs {describe(arguments)}): "
            "units cannot be traced"
        )
    return outputs


def _as_intermediate(tensor: Tensor) -> Tensor:
    """The tensor as the output of an operation, so that autograd records its shape where it is concatenated."""
    return tensor.detach().requires_grad_(True).clone() if tensor.is_floating_point() else tensor


# Translation -----------------------------------------------------------------------------------------------------------


def _translate(graph: DependencyGraph, net: nn.Module, roots: set[Any], tracing: Tracing) -> tuple[Station, ...]:
    names = {module: name for name, module in net.named_modules()}
    names |= {parameter: name for name, parameter in net.named_parameters()}
    stations: dict[tuple[Any, str], Station] = {}
    shared = _shared_parameters(net)
    nodes = list(graph.module2node.values())
    for node in nodes:
        for side in _sides(graph, node):
            layer = names.get(node.module) if isinstance(node.module, nn.Module) else None
            reasons = _reasons(node, side, names, roots, tracing)
            if layer in shared:
                reasons += (shared[layer],)
            stations[node, side] = Station(layer, side, reasons)
    for node in nodes:
        correct_mappings(node)
    for node in nodes:
        for dependency in node.dependencies:
            source = stations[node, _side(graph, node, dependency.trigger)]
            target = stations[dependency.target, _side(graph, dependency.target, dependency.handler)]
            source.couple(target, as_mappings(dependency.index_mapping))
    for station in stations.values():
        if station.layer is not None:
            _couple_conv_groups(net.get_submodule(station.layer), station)
    return tuple(stations.values())


def _sides(graph: DependencyGraph, node: Any) -> tuple[str, ...]:
    pruner: Any = graph.get_pruner_of_module(node.module)
    return ("out",) if pruner.prune_in_channels == pruner.prune_out_channels else ("in", "out")


def _side(graph: DependencyGraph, node: Any, function: Any) -> str:
    pruner: Any = graph.get_pruner_of_module(node.module)
    return "out" if function == pruner.prune_out_channels else "in"


def _reasons(node: Any, side: str, names: dict[Any, str], roots: set[Any], tracing: Tracing) -> tuple[str, ...]:
    """Why units that pass through this station cannot be removed."""
    reasons = []
    if side == "out" and (node.type == ops.OPTYPE.OUTPUT or node.grad_fn in roots or not node.outputs):
        reasons.append(FEEDS_OUTPUT)
    if node.grad_fn in tracing.obstacles:
        reasons.append(tracing.obstacles[node.grad_fn])
    module, name = node.module, names.get(node.module)
    if isinstance(module, nn.Parameter):
        reasons.append(f"is combined with the bare parameter {name!r}, whose axes have no known meaning")
    elif name is not None:
        reason = layers.distrust(module, name)
        if reason is not None:
            reasons.append(reason)
        if tracing.calls.get(name, 0) > 1:
            reasons.append(f"is coupled to {name!r}, which is called more than once in a forward pass")
    return tuple(dict.fromkeys(reasons))


def _shared_parameters(net: nn.Module) -> dict[str | None, str]:
    """The reason not to cut each layer that holds a parameter which another layer holds too."""
    holders: dict[nn.Parameter, list[str]] = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        holders.setdefault(parameter, []).append(name)
    return {
        name.rpartition(".")[0]: f"shares a weight between {' and '.join(map(repr, names))}"
        for names in holders.values()
        if len(names) > 1
        for name in names
    }


def _couple_conv_groups(layer: nn.Module, station: Station) -> None:
    """The j-th channels of all groups of a grouped convolution leave together, so that the groups stay equal."""
    groups = layers.channel_groups(layer)
    if groups == 1:
        return
    channels = layers.out_channels(layer) if station.side == "out" else layers.in_channels(layer)
    assert channels is not None
    matrix = np.arange(channels).reshape(groups, -1)
    station.couple(station, [relation(np.tile(matrix[0], groups), matrix.ravel())])
    station.couple(station, [relation(matrix.ravel(), np.tile(matrix[0], groups))])
