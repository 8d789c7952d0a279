"""How channel positions change through concatenations, splits and reshapes, read off the shapes autograd recorded.

`function` is the autograd node (`grad_fn`) of the operation, `axis` the axis of the channels where it is ambiguous.
Every function returns coupled positions before and after, or None where channels keep their positions.
"""

from typing import Any

import numpy as np

from .channel_graph import Positions

Pairs = tuple[Positions, Positions]
"""Coupled positions before and after an operation."""


def output_rank(function: Any) -> int:
    """Number of axes of the operation's (first) result."""
    return len(_output_shape(function))


def concatenated(function: Any, axis: int) -> list[Pairs | None]:
    """For each operand with a history: its channels and their positions in the concatenation."""
    operands = [(f, i) for f, i in function.next_functions]
    traced = [f is not None and "accumulategrad" not in f.name().lower() for f, _ in operands]
    shape = _output_shape(function)
    if _as_axis(function._saved_dim, len(shape)) != axis:
        return [None] * sum(traced)
    sizes = [f._input_metadata[i].shape[axis] if f is not None else None for f, i in operands]
    unknown = shape[axis] - sum(size for size in sizes if size is not None)
    lengths = [unknown if size is None else size for size in sizes]
    starts = np.cumsum([0, *lengths])
    places = zip(traced, starts, lengths, strict=False)
    return [(np.arange(length), np.arange(start, start + length)) for kept, start, length in places if kept]


def split_part(function: Any, part: int, axis: int) -> Pairs | None:
    """The whole's channels and their positions in the part with this number."""
    if _as_axis(function._saved_dim, len(function._saved_self_sym_sizes)) != axis:
        return None
    start = sum(function._input_metadata[i].shape[axis] for i in range(part))
    length = function._input_metadata[part].shape[axis]
    return np.arange(start, start + length), np.arange(length)


def sliced(function: Any, axis: int) -> Pairs | None:
    """The channels that a slice takes, and their positions in it."""
    sizes = function._saved_self_sym_sizes
    if _as_axis(function._saved_dim, len(sizes)) != axis:
        return None
    # autograd keeps negative ends as unsigned numbers.
    start, end = (np.uint64(bound).astype(np.int64) for bound in (function._saved_start, function._saved_end))
    taken = np.arange(sizes[axis])[int(start) : int(end) : function._saved_step]
    return taken, np.arange(len(taken))


def reshaped(function: Any, axis: int) -> Pairs | None:
    """Channels and their features after flattening (B, C, ...) to (B, F), or the inverse."""
    if not hasattr(function, "_saved_self_sym_sizes"):
        return None
    before, after = tuple(function._saved_self_sym_sizes), _output_shape(function)
    if before[:1] != after[:1]:
        return None
    if len(before) > 2 and len(after) == 2:
        return _channel_of_feature(before[1:], axis - 1)
    if len(before) == 2 and len(after) > 2:
        channel, feature = _channel_of_feature(after[1:], 0)
        return feature, channel
    return None


def input_rank(function: Any) -> int:
    """Number of axes of what is split or reshaped; that of the result where autograd does not keep it."""
    sizes = getattr(function, "_saved_self_sym_sizes", None)
    return output_rank(function) if sizes is None else len(sizes)


def resized(function: Any, axis: int) -> Pairs | None:
    """Channels before and after an operation that gathers several into one or spreads one over several."""
    kind = function.name().removesuffix("0") if hasattr(function, "name") else ""
    if kind not in ("GluBackward", "PixelShuffleBackward", "PixelUnshuffleBackward"):
        return None
    operand, which = function.next_functions[0]
    axis = axis if kind == "GluBackward" else 1
    before, after = operand._input_metadata[which].shape[axis], _output_shape(function)[axis]
    match kind:
        case "GluBackward":
            return np.arange(before), np.arange(before) % after
        case "PixelShuffleBackward":
            return np.arange(before), np.arange(before) // (before // after)
        case _:
            return np.arange(after) // (after // before), np.arange(after)


def _channel_of_feature(shape: tuple[int, ...], axis: int) -> Pairs:
    features = np.arange(int(np.prod(shape)))
    return np.unravel_index(features, shape)[axis], features


def _output_shape(function: Any) -> tuple[int, ...]:
    return tuple(function._input_metadata[0].shape)


def _as_axis(saved: int, rank: int) -> int:
    """Autograd keeps a negative axis as an unsigned integer."""
    return saved - 2**64 + rank if saved >= rank else saved
