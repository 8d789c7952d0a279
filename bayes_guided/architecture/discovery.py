"""Discovery of a network's channel couplings. The one file that knows torch-pruning.

Its dependency graph says which operations are connected; this file turns it into stations and edges of a
`channel_graph`. The graph's own index mappings are kept for slices and unbind only: those of concatenation, split and
reshape are guesses from the layers around them, and come from the recorded shapes instead.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_pruning import _helpers, ops
from torch_pruning.dependency import DependencyGraph
from torch_pruning.dependency.index_mapping import (
    _ConcatIndexMapping,
    _FlattenIndexMapping,
    _SliceIndexMapping,
    _SplitIndexMapping,
)
from torch_pruning.pruner.function import BasePruningFunc

from bayes_guided.nn import Gate, HeadAttention, Select

from . import mappings
from .channel_graph import Mapping, Positions, Station, relation
from .inputs import ExampleInputs, map_tensors
from .suspicion import bare_parameter, couple_conv_groups, layer_reasons, shared_parameters
from .tracing import Tracing, as_intermediate

FEEDS_OUTPUT = "feeds the output"


class _Graph(DependencyGraph):
    """torch-pruning's graph without its inference of concatenation sizes, which raises where an input is concatenated."""

    def _build_dependency(self, module2node: dict[Any, Any]) -> None:
        super()._build_dependency(module2node)
        for node in module2node.values():
            if node.type == ops.OPTYPE.CONCAT:
                node.module.concat_sizes = [0] * len(node.inputs)


class _TwoSided(BasePruningFunc):
    """A layer of ours in torch-pruning's graph: what goes in and what comes out are coupled here, not there."""

    def prune_out_channels(self, layer: Any, idxs: Any) -> Any:
        raise NotImplementedError

    def prune_in_channels(self, layer: Any, idxs: Any) -> Any:
        raise NotImplementedError

    def get_out_channels(self, layer: Any) -> int | None:
        return layer.size if isinstance(layer, Gate) else None

    get_in_channels = get_out_channels


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
        outputs.extend(tracing.run(model, given))
        return outputs

    graph = _Graph()
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = map_tensors(as_intermediate, arguments)
        graph.build_dependency(
            net,
            traced,
            forward_fn=forward,
            ignored_layers=[module for module in net.modules() if _treats_all_alike(module)],
            customized_pruners={kind: _TwoSided() for kind in (Gate, HeadAttention, Select)},
            verbose=False,
        )
    return Discovered(_translate(graph, net, {output.grad_fn for output in outputs}, tracing), tracing)


def _treats_all_alike(module: nn.Module) -> bool:
    """A PReLU or a gate with one weight; as a layer, it would couple all places that share it."""
    return (isinstance(module, nn.PReLU) and module.num_parameters == 1) or (isinstance(module, Gate) and module.size == 1)


# Translation -----------------------------------------------------------------------------------------------------------


def _translate(graph: DependencyGraph, net: nn.Module, roots: set[Any], tracing: Tracing) -> tuple[Station, ...]:
    names = {module: name for name, module in net.named_modules()}
    names |= {parameter: name for name, parameter in net.named_parameters()}
    stations: dict[tuple[Any, str], Station] = {}
    shared = shared_parameters(net)
    nodes = list(graph.module2node.values())
    for node in nodes:
        for side in _sides(graph, node):
            layer = names.get(node.module) if isinstance(node.module, nn.Module) else None
            reasons = _reasons(node, side, names, roots, tracing)
            if layer in shared:
                reasons += (shared[layer],)
            operation = node.grad_fn.name() if layer is None and hasattr(node.grad_fn, "name") else ""
            stations[node, side] = Station(layer, side, reasons, operation)
    for node in nodes:
        _correct_mappings(node)
    for node in nodes:
        for dependency in node.dependencies:
            source = stations[node, _side(graph, node, dependency.trigger)]
            target = stations[dependency.target, _side(graph, dependency.target, dependency.handler)]
            source.couple(target, [_as_mapping(m) for m in dependency.index_mapping if m is not None])
    for station in stations.values():
        if station.layer is not None:
            couple_conv_groups(net.get_submodule(station.layer), station)
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
    if isinstance(node.module, nn.Parameter):
        reasons.append(bare_parameter(names[node.module]))
    if node.grad_fn in tracing.obstacles:
        reasons.append(tracing.obstacles[node.grad_fn])
    if isinstance(node.module, nn.Module) and node.module in names:
        reasons += layer_reasons(node.module, names[node.module], tracing)
    return tuple(dict.fromkeys(reasons))


# Index mappings --------------------------------------------------------------------------------------------------------


def _as_mapping(given: Any) -> Mapping:
    """A mapping of torch-pruning's, which takes and returns lists of index objects, as one of positions."""
    if not hasattr(given, "reverse"):
        return given

    def apply(positions: Positions) -> tuple[Positions, Positions]:
        mapped = given([_helpers._HybridIndex(idx=int(i), root_idx=int(i)) for i in positions])
        source = np.array([index.root_idx for index in mapped], dtype=np.int64)
        target = np.array([index.idx for index in mapped], dtype=np.int64)
        return source, target

    return apply


def _correct_mappings(node: Any) -> None:
    """Put the mappings that the recorded shapes give in the place of torch-pruning's guesses."""
    function, inputs = node.grad_fn, node.inputs
    match node.type:
        case ops.OPTYPE.CONCAT:
            axis = _channel_axis(node, mappings.output_rank(function))
            _replace(inputs, [node] * len(inputs), mappings.concatenated(function, axis))
        case ops.OPTYPE.SPLIT:
            axis = _channel_axis(node, mappings.input_rank(function))
            parts = [mappings.split_part(function, part, axis) for part in _parts_taken(node)]
            _replace([node] * len(node.outputs), node.outputs, parts, at_source=True)
        case ops.OPTYPE.SLICE:
            pairs = mappings.sliced(function, _channel_axis(node, mappings.input_rank(function)))
            _replace(inputs, [node] * len(inputs), [pairs] * len(inputs))
        case ops.OPTYPE.RESHAPE:
            pairs = mappings.reshaped(function, _channel_axis(node, mappings.input_rank(function)))
            _forget_flattening(node)
            _replace(inputs, [node] * len(inputs), [pairs] * len(inputs))
        case ops.OPTYPE.ELEMENTWISE if inputs:
            pairs = mappings.resized(function, _channel_axis(node, mappings.output_rank(function)))
            if pairs is not None:
                _replace(inputs, [node] * len(inputs), [pairs] * len(inputs))


def _parts_taken(split: Any) -> list[int]:
    """Which part of a split each of its consumers takes; one that takes several appears once for each, in order."""
    waiting: dict[Any, list[int]] = {}
    for node in split.outputs:
        waiting.setdefault(node, [part for f, part in node.grad_fn.next_functions if f is split.grad_fn])
    return [waiting[node].pop(0) for node in split.outputs]


def _replace(
    sources: Sequence[Any], targets: Sequence[Any], pairs: Sequence[mappings.Pairs | None], *, at_source: bool = False
) -> None:
    """Couple positions before and after along each edge source -> target; None: unchanged.

    Where both ends of an edge have a mapping, as from a split into a concatenation, the source's comes first.
    """
    done: list[Any] = []
    for source, target, coupled in zip(sources, targets, pairs, strict=True):
        forward = next(d for d in source.dependencies if d.target is target and not _among(d, done))
        done.append(forward)
        backward = next(d for d in target.dependencies if d.target is source and not _among(d, done))
        done.append(backward)
        _drop_guesses(forward)
        _drop_guesses(backward)
        if coupled is not None:
            before, after = coupled
            forward.index_mapping.insert(0 if at_source else len(forward.index_mapping), relation(before, after))
            backward.index_mapping.insert(len(backward.index_mapping) if at_source else 0, relation(after, before))


def _forget_flattening(node: Any) -> None:
    """torch-pruning puts the mapping of an inverse flatten on the edges behind it."""
    for dependency in [*node.dependencies, *(d for n in node.outputs for d in n.dependencies if d.target is node)]:
        dependency.index_mapping = [m for m in dependency.index_mapping if not isinstance(m, _FlattenIndexMapping)]


def _drop_guesses(dependency: Any) -> None:
    guesses = (_ConcatIndexMapping, _SplitIndexMapping, _FlattenIndexMapping, _SliceIndexMapping)
    dependency.index_mapping = [m for m in dependency.index_mapping if not isinstance(m, guesses)]


def _among(item: Any, items: Sequence[Any]) -> bool:
    return any(item is other for other in items)


def _channel_axis(node: Any, rank: int) -> int:
    """The axis of the channels before this operation: the last one after a linear layer, else the second."""
    upstream, seen = list(node.inputs), set()
    while upstream:
        above = upstream.pop(0)
        if above in seen:
            continue
        seen.add(above)
        if isinstance(above.module, Gate):
            return above.module.axis % rank
        if above.type in (ops.OPTYPE.LINEAR, ops.OPTYPE.LN, ops.OPTYPE.EMBED):
            return rank - 1
        if above.type in (ops.OPTYPE.CONV, ops.OPTYPE.DEPTHWISE_CONV, ops.OPTYPE.BN, ops.OPTYPE.IN, ops.OPTYPE.GN):
            return 1
        upstream += above.inputs
    return 1
