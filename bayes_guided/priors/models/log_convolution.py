"""Convolution of non-negative sequences that are given by their logarithms, with relative accuracy in every term.

A fast Fourier transform is accurate relative to the largest term only: it returns negative probabilities in the tails
(P15). Here every term is a sum of positive numbers, so it keeps about 13 digits however small it is.

Sequences of Poisson-binomial type are log-concave (Newton's inequalities). Then the terms that matter for one output lie
in a window around the largest, and after exponential tilting a whole tile of outputs fits the range of float64: an
ordinary dot product per output.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEGLIGIBLE = 45.0  # nats below the largest term of a sum at which a term no longer changes a float64
TILE = 512  # outputs that share one tilt: long enough for fast dot products, short enough for narrow windows
TILE_RANGE = 400.0  # nats that the outputs of one tile may span after tilting
MOST_PIECES = 4096  # pairs of log-concave pieces up to which a convolution is done piece by piece
LINEAR_RANGE = 600.0  # nats that a product of two terms may span to be computed without logarithms


@dataclass(frozen=True)
class Tile:
    """Outputs `start <= k < stop`, and the factors of their terms as numbers: tilted, scaled and cut to the window.

    `left[i - left_start]` and `right[j - right_start]` are the sequences times exp(-tilt * index) over their maximum;
    the output is `sum_i left[i] right[k - i]` times exp(log_scale + tilt * k).
    """

    start: int
    stop: int
    left_start: int
    right_start: int
    left: Array
    right: Array
    tilt: float
    log_scale: float

    def outputs(self) -> Array:
        """The tilted and scaled outputs of the tile."""
        return np.convolve(self.right, self.left, mode="valid")


def log_convolve(left: Array, right: Array) -> Array:
    """Logarithm of the convolution of exp(left) and exp(right): any two sequences, -inf for zeros.

    Sequences of few log-concave pieces take O(n sqrt(n)) per pair of pieces, sequences whose range fits float64 a plain
    convolution, others O(n^2) logarithms.
    """
    result = np.full(len(left) + len(right) - 1, -np.inf)
    i, a = _trim(left)
    j, b = _trim(right)
    if len(a) and len(b):
        result[i + j : i + j + len(a) + len(b) - 1] = _convolve_trimmed(a, b)
    return result


def log_sum_law(laws: Sequence[Array]) -> Array:
    """Log law of a sum of independent counts from the log laws of its terms, each over 0, 1, ..., its size."""
    pending = [np.zeros(1), *laws]
    while len(pending) > 1:
        pending.sort(key=len, reverse=True)
        pending.append(log_convolve(pending.pop(), pending.pop()))
    return pending[0]


def concave_log_convolve(left: Array, right: Array) -> Array:
    """`log_convolve` for finite log-concave sequences."""
    result = np.empty(len(left) + len(right) - 1)
    for tile in concave_tiles(left, right, NEGLIGIBLE):
        index = np.arange(tile.start, tile.stop)
        result[tile.start : tile.stop] = np.log(tile.outputs()) + (tile.log_scale + tile.tilt * index)
    return result


def concave_tiles(left: Array, right: Array, negligible: float) -> Iterator[Tile]:
    """Tiles that cover the convolution of two finite log-concave sequences.

    A tile leaves out terms that are `negligible` nats below the largest term of their output. The largest terms follow
    from the slopes: merging the slopes of two concave sequences in descending order gives the slopes of their maximum
    over i of left[i] + right[k - i], and how many came from `left` gives the maximising i.
    """
    slopes, best = _merge_slopes(left, right)
    edges = _tile_edges(slopes, len(left) + len(right) - 1)
    low = _window_start(left, right, best, edges[:-1], negligible)
    last = edges[1:] - 1
    high = last - _window_start(right, left, np.arange(len(best)) - best, last, negligible)
    for start, stop, first, final in zip(edges[:-1], edges[1:], low, high, strict=True):
        tilt = float(slopes[min((start + stop) // 2, len(slopes) - 1)]) if len(slopes) else 0.0
        yield _tile(left, right, int(start), int(stop), int(first), int(final), tilt)


def is_log_concave(values: Array) -> bool:
    """Whether a finite sequence is concave up to rounding."""
    if len(values) < 3:
        return True
    return bool((np.diff(values, 2) <= _rounding(values)).all())


def _convolve_trimmed(left: Array, right: Array) -> Array:
    finite = bool(np.isfinite(left).all() and np.isfinite(right).all())
    if finite and is_log_concave(left) and is_log_concave(right):
        return concave_log_convolve(left, right)
    tilt = _flattest_tilt(left if len(left) >= len(right) else right)
    a, b = left - tilt * np.arange(len(left)), right - tilt * np.arange(len(right))
    if _range(a) + _range(b) <= LINEAR_RANGE:
        linear = np.convolve(np.exp(a - a.max()), np.exp(b - b.max()))
        with np.errstate(divide="ignore"):  # outputs without any term are zero: their logarithm is -inf
            return np.log(linear) + (a.max() + b.max()) + tilt * np.arange(len(linear))
    pieces = _concave_pieces(left), _concave_pieces(right)
    if finite and len(pieces[0]) * len(pieces[1]) <= MOST_PIECES:
        return _by_pieces(left, right, *pieces)
    return _direct(left, right)


def _by_pieces(left: Array, right: Array, left_pieces: list[slice], right_pieces: list[slice]) -> Array:
    """The convolution as a sum over pairs of log-concave pieces."""
    result = np.full(len(left) + len(right) - 1, -np.inf)
    for a in left_pieces:
        for b in right_pieces:
            part = result[a.start + b.start : a.stop + b.stop - 1]
            np.logaddexp(part, concave_log_convolve(left[a], right[b]), out=part)
    return result


def _concave_pieces(values: Array) -> list[slice]:
    """Consecutive stretches on which a finite sequence is concave, as long as possible from the front."""
    convex = np.flatnonzero(np.diff(values, 2) > _rounding(values)) + 1
    borders = [0]
    for place in convex:  # a border right after the middle of a convex triple breaks it, and the next triple with it
        if place + 1 > borders[-1] + 1:
            borders.append(int(place) + 1)
    return [slice(a, b) for a, b in pairwise([*borders, len(values)]) if b > a]


def _rounding(values: Array) -> float:
    return 1e-9 + 1e-14 * float(np.abs(values).max())


def _direct(left: Array, right: Array) -> Array:
    """One logarithm per product: for sequences with wild ranges."""
    short, long = (left, right) if len(left) <= len(right) else (right, left)
    result = np.full(len(left) + len(right) - 1, -np.inf)
    for i, value in enumerate(short):
        if np.isfinite(value):
            part = result[i : i + len(long)]
            np.logaddexp(part, value + long, out=part)
    return result


def _trim(values: Array) -> tuple[int, Array]:
    """The sequence without the zeros at its ends, and how many were in front."""
    support = np.flatnonzero(values > -np.inf)
    if not len(support):
        return 0, values[:0]
    return int(support[0]), values[support[0] : support[-1] + 1]


def _range(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max() - finite.min())


def _flattest_tilt(values: Array) -> float:
    """The mean slope from the first to the last term."""
    return float((values[-1] - values[0]) / max(len(values) - 1, 1))


def _merge_slopes(left: Array, right: Array) -> tuple[Array, NDArray[np.int64]]:
    slopes = np.concatenate([np.diff(left), np.diff(right)])
    order = np.argsort(-slopes, kind="stable")
    from_left = np.cumsum(order < len(left) - 1)
    return slopes[order], np.concatenate([[0], from_left]).astype(np.int64)


def _tile_edges(slopes: Array, outputs: int) -> NDArray[np.int64]:
    """Tile borders such that the tilted outputs of a tile stay within `TILE_RANGE` of each other.

    Within a tile the largest term falls, from where its slope equals the tilt, by at most the change of slope times the
    length.
    """
    edges = [0]
    while edges[-1] < outputs:
        start = edges[-1]
        length = min(TILE, outputs - start)
        while length > 1:
            last = min(start + length - 1, len(slopes) - 1)
            if (slopes[start] - slopes[last]) * length <= TILE_RANGE:
                break
            length = (length + 1) // 2
        edges.append(start + length)
    return np.array(edges)


def _window_start(
    left: Array, right: Array, best: NDArray[np.int64], outputs: NDArray[np.int64], negligible: float
) -> NDArray[np.int64]:
    """The smallest i whose term left[i] + right[k - i] is within `negligible` of the largest, for each output k.

    The terms rise up to the largest, so this is a bisection; the start moves right as k grows, so a tile may use the
    start of its first output.
    """
    high = best[outputs]
    threshold = left[high] + right[outputs - high] - negligible
    low = np.maximum(outputs - (len(right) - 1), 0)
    while (low < high).any():
        middle = (low + high) // 2
        enough = left[middle] + right[outputs - middle] >= threshold
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle + 1)
    return high


def _tile(left: Array, right: Array, start: int, stop: int, first: int, final: int, tilt: float) -> Tile:
    right_start, right_stop = start - final, stop - first  # may reach over the ends, where the terms are zero
    inside = slice(max(right_start, 0), min(right_stop, len(right)))
    a = left[first : final + 1] - tilt * np.arange(first, final + 1)
    b = right[inside] - tilt * np.arange(inside.start, inside.stop)
    padded = np.zeros(right_stop - right_start)
    padded[inside.start - right_start : inside.stop - right_start] = np.exp(b - b.max())
    return Tile(start, stop, first, right_start, np.exp(a - a.max()), padded, tilt, float(a.max() + b.max()))
