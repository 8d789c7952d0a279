"""How channel positions change through concatenations, splits and reshapes, read off the shapes autograd recorded.

torch-pruning guesses these from the layers around the operation; where its own mapping is kept (slices, unbind), it is
only translated.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import nn
from torch_pruning import _helpers, ops
from torch_pruning.dependency.index_mapping import (
    _ConcatIndexMapping,
    _FlattenIndexMapping,
    _SplitIndexMapping,
)

from .channel_graph import Mapping, Positions, relation

Pairs = tuple[Positions, Positions]
"""Coupled positions before and after an operation."""


def as_mappings(given: Sequence[Any]) -> list[Mapping]:
    """The mappings of one dependency, torch-pruning's own translated."""
    return [_translated(m) if hasattr(m, "reverse") else m for m in given if m is not None]


def _translated(mapping: Any) -> Mapping:
    def apply(positions: Positions) -> Pairs:
        mapped = mapping([_helpers._HybridIndex(idx=int(i), root_idx=int(i)) for i in positions])
        source = np.array([index.root_idx for index in mapped], dtype=np.int64)
        target = np.array([index.idx for index in mapped], dtype=np.int64)
        return source, target

    return apply


def correct_mappings(node: Any) -> None:
    """Replace the mappings of a concatenation, split or reshape in torch-pruning's graph."""
    if node.type == ops.OPTYPE.CONCAT:
        _replace(node.inputs, [node] * len(node.inputs), _ConcatIndexMapping, _concatenated(node))
    elif node.type == ops.OPTYPE.RESHAPE:
        pairs = [_reshaped(node)] * len(node.inputs)
        _forget(node, node.outputs, _FlattenIndexMapping)
        _replace(node.inputs, [node] * len(node.inputs), _FlattenIndexMapping, pairs)
    elif node.type == ops.OPTYPE.ELEMENTWISE and node.inputs:
        resized = _resized(node)
        if resized is not None:
            _replace(node.inputs, [node] * len(node.inputs), (), [resized] * len(node.inputs))
    elif node.type == ops.OPTYPE.SPLIT:
        _replace([node] * len(node.outputs), node.outputs, _SplitIndexMapping, _split(node))


def _replace(sources: Sequence[Any], targets: Sequence[Any], kind: type | tuple[()], pairs: Sequence[Pairs | None]) -> None:
    """Couple positions before and after along each edge source -> target; None: unchanged."""
    done: list[Any] = []
    for source, target, coupled in zip(sources, targets, pairs, strict=True):
        forward = next(d for d in source.dependencies if d.target is target and not _among(d, done))
        done.append(forward)
        backward = next(d for d in target.dependencies if d.target is source and not _among(d, done))
        done.append(backward)
        _drop(forward, kind)
        _drop(backward, kind)
        if coupled is not None:
            before, after = coupled
            forward.index_mapping.append(relation(before, after))
            backward.index_mapping.insert(0, relation(after, before))


def _forget(node: Any, neighbours: Iterable[Any], kind: type) -> None:
    for dependency in [*node.dependencies, *(d for n in neighbours for d in n.dependencies if d.target is node)]:
        _drop(dependency, kind)


def _drop(dependency: Any, kind: type | tuple[()]) -> None:
    dependency.index_mapping = [m for m in dependency.index_mapping if not isinstance(m, kind)]


def _among(item: Any, items: Iterable[Any]) -> bool:
    return any(item is other for other in items)


def _concatenated(node: Any) -> list[Pairs | None]:
    """Each input's channels and their positions in the concatenation; unchanged if it is along another axis."""
    shape = _output_shape(node)
    axis = _as_axis(node.grad_fn._saved_dim, len(shape))
    if axis != channel_axis(node, len(shape)):
        return [None] * len(node.inputs)
    operands = node.grad_fn.next_functions
    sizes = [f._input_metadata[i].shape[axis] if f is not None else None for f, i in operands]
    unknown = shape[axis] - sum(size for size in sizes if size is not None)
    pairs: list[Pairs | None] = []
    offset = 0
    for (operand, _), size in zip(operands, sizes, strict=True):
        length = unknown if size is None else size
        if operand is not None and not _is_leaf(operand):
            pairs.append((np.arange(length), np.arange(offset, offset + length)))
        offset += length
    return pairs


def _split(node: Any) -> list[Pairs | None]:
    """The whole's channels and their positions in each part; unchanged if the split is along another axis."""
    shape = tuple(node.grad_fn._saved_self_sym_sizes)
    axis = _as_axis(node.grad_fn._saved_dim, len(shape))
    if axis != channel_axis(node, len(shape)):
        return [None] * len(node.outputs)
    used: dict[Any, list[int]] = {}
    pairs: list[Pairs | None] = []
    for part in node.outputs:
        # A node that takes several parts appears once for each, in the order of its operands.
        parts = used.setdefault(part, [i for f, i in part.grad_fn.next_functions if f is node.grad_fn])
        which = parts.pop(0)
        start = sum(node.grad_fn._input_metadata[i].shape[axis] for i in range(which))
        length = node.grad_fn._input_metadata[which].shape[axis]
        pairs.append((np.arange(start, start + length), np.arange(length)))
    return pairs


def _reshaped(node: Any) -> Pairs | None:
    """Channels and their positions after flattening (B, C, ...) to (B, F), or the inverse; None where they keep them."""
    if not hasattr(node.grad_fn, "_saved_self_sym_sizes"):
        return None
    before, after = tuple(node.grad_fn._saved_self_sym_sizes), _output_shape(node)
    if before[:1] != after[:1]:
        return None
    if len(before) > 2 and len(after) == 2:
        return _channel_of_feature(before[1:], channel_axis(node, len(before)) - 1)
    if len(before) == 2 and len(after) > 2:
        channel, feature = _channel_of_feature(after[1:], 0)
        return feature, channel
    return None


def _resized(node: Any) -> Pairs | None:
    """Channels before and after an operation that gathers several into one or spreads one over several."""
    function = node.grad_fn.name().removesuffix("0") if hasattr(node.grad_fn, "name") else ""
    if function not in ("GluBackward", "PixelShuffleBackward", "PixelUnshuffleBackward"):
        return None
    operand, which = node.grad_fn.next_functions[0]
    axis = channel_axis(node, len(_output_shape(node))) if function == "GluBackward" else 1
    before, after = operand._input_metadata[which].shape[axis], _output_shape(node)[axis]
    match function:
        case "GluBackward":
            return np.arange(before), np.arange(before) % after
        case "PixelShuffleBackward":
            return np.arange(before), np.arange(before) // (before // after)
        case _:
            return np.arange(after) // (after // before), np.arange(after)


def _channel_of_feature(shape: tuple[int, ...], axis: int) -> Pairs:
    features = np.arange(int(np.prod(shape)))
    return np.unravel_index(features, shape)[axis], features


def channel_axis(node: Any, rank: int) -> int:
    """The axis of the channels before this operation: the last one after a linear layer, else the second."""
    upstream, seen = list(node.inputs), set()
    while upstream:
        above = upstream.pop(0)
        if above in seen:
            continue
        seen.add(above)
        if isinstance(above.module, nn.Linear | nn.LayerNorm | nn.Embedding):
            return rank - 1
        if above.type in (ops.OPTYPE.CONV, ops.OPTYPE.DEPTHWISE_CONV, ops.OPTYPE.BN, ops.OPTYPE.IN, ops.OPTYPE.GN):
            return 1
        upstream += above.inputs
    return 1


def _output_shape(node: Any) -> tuple[int, ...]:
    return tuple(node.grad_fn._input_metadata[0].shape)


def _as_axis(saved: int, rank: int) -> int:
    """Autograd keeps a negative axis as an unsigned integer."""
    return saved - 2**64 + rank if saved >= rank else saved


def _is_leaf(function: Any) -> bool:
    return "accumulategrad" in function.name().lower()
