"""Discovery of a network's channel couplings. The one file that knows torch-pruning.

torch-pruning's dependency graph says which operations are connected and how; this file translates it into a
`channel_graph` of stations and edges, with the index mappings of concatenations and reshapes taken from the shapes
that autograd recorded.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_pruning import _helpers, ops
from torch_pruning.dependency import DependencyGraph
from torch_pruning.dependency.index_mapping import _ConcatIndexMapping, _FlattenIndexMapping

from bayes_guided.exceptions import ExampleInputError

from . import layers
from .channel_graph import Mapping, Positions, Station
from .inputs import ExampleInputs, call, describe, map_tensors, tensors_in
from .tracing import Tracing

FEEDS_OUTPUT = "feeds the output"


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

    graph = DependencyGraph()
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = map_tensors(_as_intermediate, arguments)
        graph.build_dependency(net, example_inputs=traced, forward_fn=forward, verbose=False)
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
            reasons = _reasons(node, side, names, roots, tracing) + shared.get(names.get(node.module, ""), ())
            layer = names.get(node.module) if isinstance(node.module, nn.Module) else None
            stations[node, side] = Station(layer, side, reasons)
    for node in nodes:
        _repair_mappings(node)
    for node in nodes:
        for dependency in node.dependencies:
            source = stations[node, _side(graph, node, dependency.trigger)]
            target = stations[dependency.target, _side(graph, dependency.target, dependency.handler)]
            source.couple(target, _mappings(dependency.index_mapping))
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
    module = node.module
    if isinstance(module, nn.Parameter):
        reasons.append(f"is combined with the bare parameter {names.get(module)!r}, whose axes have no known meaning")
    elif isinstance(module, nn.LayerNorm | nn.GroupNorm):
        kind = type(module).__name__
        reasons.append(f"shares statistics with its neighbours under {kind} {names[module]!r}")
    elif module in names:
        reason = layers.distrust(module)
        if reason is not None:
            reasons.append(f"{reason}: {names[module]!r}")
        if tracing.calls.get(names[module], 0) > 1:
            reasons.append(f"{names[module]!r} is called more than once in a forward pass")
    return tuple(reasons)


def _shared_parameters(net: nn.Module) -> dict[str, tuple[str, ...]]:
    """The reason not to cut each layer that holds a parameter which another layer holds too."""
    holders: dict[nn.Parameter, list[str]] = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        holders.setdefault(parameter, []).append(name)
    tied = [(name, names) for names in holders.values() if len(names) > 1 for name in names]
    return {name.rpartition(".")[0]: (f"shares a weight between {' and '.join(map(repr, names))}",) for name, names in tied}


def _couple_conv_groups(layer: nn.Module, station: Station) -> None:
    """The j-th channels of all groups of a grouped convolution leave together, so that the groups stay equal."""
    groups = layers.channel_groups(layer)
    if groups == 1:
        return
    channels = layers.out_channels(layer) if station.side == "out" else layers.in_channels(layer)
    assert channels is not None
    per_group = channels // groups
    matrix = np.arange(channels).reshape(groups, per_group)

    def same_place(positions: Positions) -> tuple[Positions, Positions]:
        return np.repeat(positions, groups), matrix[:, positions % per_group].T.ravel()

    station.couple(station, [same_place])


# Index mappings --------------------------------------------------------------------------------------------------------


def _mappings(given: Sequence[Any]) -> list[Mapping]:
    return [_from_torch_pruning(m) if hasattr(m, "reverse") else m for m in given if m is not None]


def _from_torch_pruning(mapping: Any) -> Mapping:
    def apply(positions: Positions) -> tuple[Positions, Positions]:
        hybrid = [_helpers._HybridIndex(idx=int(i), root_idx=int(i)) for i in positions]
        mapped = mapping(hybrid)
        source = np.array([index.root_idx for index in mapped], dtype=np.int64)
        target = np.array([index.idx for index in mapped], dtype=np.int64)
        return source, target

    return apply


def _repair_mappings(node: Any) -> None:
    """Replace torch-pruning's guesses for concatenation and reshape by what the recorded shapes say."""
    if node.type == ops.OPTYPE.CONCAT:
        _replace_input_mappings(node, _ConcatIndexMapping, _concat_blocks(node))
    elif node.type == ops.OPTYPE.RESHAPE:
        _replace_input_mappings(node, _FlattenIndexMapping, [_reshape_matrix(node)] * len(node.inputs))


def _replace_input_mappings(node: Any, kind: type, matrices: Sequence[np.ndarray | None]) -> None:
    """`matrices[i][c]` are the positions after the operation of channel c of its i-th input; None: unchanged."""
    neighbours = [node, *node.inputs, *node.outputs]
    edges = [d for n in neighbours for d in n.dependencies if node in (d.source, d.target)]
    for edge in edges:
        edge.index_mapping = [m for m in edge.index_mapping if not isinstance(m, kind)]
    done: list[Any] = []
    for source, matrix in zip(node.inputs, matrices, strict=True):
        forward = next(d for d in source.dependencies if d.target is node and not _among(d, done))
        backward = next(d for d in node.dependencies if d.target is source and not _among(d, done))
        done += [forward, backward]
        if matrix is not None:
            forward.index_mapping.append(_expand(matrix))
            backward.index_mapping.insert(0, _collapse(matrix))


def _among(item: Any, items: Iterable[Any]) -> bool:
    return any(item is other for other in items)


def _expand(matrix: np.ndarray) -> Mapping:
    def apply(positions: Positions) -> tuple[Positions, Positions]:
        inside = positions[positions < len(matrix)]
        return np.repeat(inside, matrix.shape[1]), matrix[inside].ravel()

    return apply


def _collapse(matrix: np.ndarray) -> Mapping:
    after, before = matrix.ravel(), np.repeat(np.arange(len(matrix)), matrix.shape[1])
    order = np.argsort(after)
    after, before = after[order], before[order]

    def apply(positions: Positions) -> tuple[Positions, Positions]:
        place = np.clip(np.searchsorted(after, positions), 0, len(after) - 1)
        hit = after[place] == positions
        return positions[hit], before[place[hit]]

    return apply


def _concat_blocks(node: Any) -> list[np.ndarray | None]:
    """Positions of each input's channels in a concatenation along the channel axis."""
    operands = node.grad_fn.next_functions
    shapes = [tuple(f._input_metadata[i].shape) if f is not None else None for f, i in operands]
    rank = len(node.grad_fn._input_metadata[0].shape)
    axis = node.grad_fn._saved_dim
    axis = axis - 2**64 + rank if axis >= rank else axis
    if axis != _channel_axis(node, rank):
        return [None] * len(node.inputs)
    total = node.grad_fn._input_metadata[0].shape[axis]
    unknown = total - sum(shape[axis] for shape in shapes if shape is not None)
    blocks, offset = [], 0
    for (operand, _), shape in zip(operands, shapes, strict=True):
        length = unknown if shape is None else shape[axis]
        if operand is not None and "accumulategrad" not in operand.name().lower():
            blocks.append(np.arange(offset, offset + length)[:, None])
        offset += length
    return blocks


def _reshape_matrix(node: Any) -> np.ndarray | None:
    """Positions of each channel after flattening (B, C, ...) to (B, F), or of each feature after the inverse."""
    before = tuple(node.grad_fn._saved_self_sym_sizes) if hasattr(node.grad_fn, "_saved_self_sym_sizes") else ()
    after = tuple(node.grad_fn._input_metadata[0].shape)
    if len(before) > 2 and len(after) == 2 and before[0] == after[0]:
        positions = np.arange(after[1]).reshape(before[1:])
        return np.moveaxis(positions, _channel_axis(node, len(before)) - 1, 0).reshape(-1, after[1] // positions.shape[0])
    return None


def _channel_axis(node: Any, rank: int) -> int:
    """The last axis after a linear layer, the second one after anything else."""
    upstream, seen = list(node.inputs), set()
    while upstream:
        above = upstream.pop(0)
        if above in seen:
            continue
        seen.add(above)
        if isinstance(above.module, nn.Linear | nn.LayerNorm | nn.Embedding):
            return rank - 1
        if above.type not in (ops.OPTYPE.ELEMENTWISE, ops.OPTYPE.RESHAPE, ops.OPTYPE.CONCAT, ops.OPTYPE.SPLIT):
            return 1
        upstream += above.inputs
    return 1
