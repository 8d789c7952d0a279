"""A binary tree over independent units that moves laws of counts up and down.

Upwards it gives the law of the number of present units (Poisson-binomial, equivalently the elementary symmetric
polynomials of the odds, P13, P15). Downwards it takes any law of the number at the root, keeps the composition given the
number, and gives the law of the number in every node, the marginals of the units, and samples. A node may demand a
minimum of present units. Cost about n^1.5 for n units, with relative accuracy in the tails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from .log_convolution import concave_log_convolve, concave_tiles
from .unit_blocks import UnitBlocks

Array = NDArray[np.float64]
Uniform = Callable[[int], Array]

BLOCK = 96  # units per leaf: below this the recursion over units is faster than more levels of the tree
KEPT = 150.0  # nats: conditional probabilities below e^-150 are taken as zero on the way down


@dataclass(frozen=True)
class Node:
    """`log_law[k - minimum]` is the log probability of k present units among the node's, for k >= minimum."""

    start: int
    stop: int
    minimum: int
    log_law: Array
    children: "tuple[Node, Node] | None" = None


@dataclass(frozen=True)
class _Leaves:
    """The leaf blocks of one size, and where their units are."""

    blocks: UnitBlocks
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class CountLaws:
    """Laws of counts on the way down: per group over 0..size, and the marginals of the units."""

    groups: list[Array]
    marginals: Array


class UnitTree:
    """Units with inclusion log odds `logits` (units,), in consecutive groups of the given sizes.

    `minimums` are the fewest present units of each group; laws are restricted to masks that meet them.
    """

    def __init__(self, logits: Array, sizes: Sequence[int], minimums: Sequence[int]) -> None:
        self._leaves = _leaf_blocks(logits, sizes)
        self._laws = {
            (int(start), int(start) + size): law
            for size, leaves in self._leaves.items()
            for start, law in zip(leaves.starts, leaves.blocks.log_law(), strict=True)
        }
        self.units = len(logits)
        self._groups = self._group_nodes(sizes, minimums)
        self.root = _balanced(self._groups)

    @cached_property
    def log_size_law(self) -> Array:
        """Log probability of each number of present units, (units + 1,): sums to P(the minimums are met)."""
        law = np.full(self.units + 1, -np.inf)
        law[self.root.minimum : self.root.minimum + len(self.root.log_law)] = self.root.log_law
        return law

    def laws_given(self, size_law: Array) -> CountLaws:
        """Counts of the groups and marginals of the units when the number of present units follows `size_law`."""
        groups: dict[tuple[int, int], Array] = {}
        leaves: dict[tuple[int, int], Array] = {}
        known = {(node.start, node.stop) for node in self._groups}
        pending = [(self.root, size_law[self.root.minimum : self.root.minimum + len(self.root.log_law)])]
        while pending:
            node, law = pending.pop()
            if (node.start, node.stop) in known:
                groups[node.start, node.stop] = _over_zero(node, law)
            if node.children is None:
                leaves[node.start, node.stop] = _over_zero(node, law)
            else:
                pending += zip(node.children, _split(node, node.children, law), strict=True)
        ordered = [groups[node.start, node.stop] for node in self._groups]
        return CountLaws(ordered, self._marginals(leaves))

    def sample(self, counts: NDArray[np.int64], uniform: Uniform) -> NDArray[np.bool_]:
        """Masks (samples, units) whose numbers of present units are `counts`."""
        drawn: dict[int, NDArray[np.int64]] = {}
        pending = [(self.root, counts)]
        while pending:
            node, number = pending.pop()
            if node.children is None:
                drawn[node.start] = number
            else:
                left = _sample_left(node.children, number, uniform(len(number)))
                pending += [(node.children[0], left), (node.children[1], number - left)]
        masks = np.zeros((len(counts), self.units), dtype=bool)
        for size, leaves in self._leaves.items():
            numbers = np.stack([drawn[int(start)] for start in leaves.starts], axis=1)
            masks[:, leaves.starts[:, None] + np.arange(size)] = leaves.blocks.sample(numbers, uniform)
        return masks

    def _group_nodes(self, sizes: Sequence[int], minimums: Sequence[int]) -> list[Node]:
        nodes, start = [], 0
        for size, minimum in zip(sizes, minimums, strict=True):
            leaves = [Node(a, b, 0, self._laws[a, b]) for a, b in _leaf_ranges(start, start + size)]
            nodes.append(_at_least(_balanced(leaves), minimum))
            start += size
        return nodes

    def _marginals(self, laws: dict[tuple[int, int], Array]) -> Array:
        result = np.empty(self.units)
        for size, leaves in self._leaves.items():
            counts = np.stack([laws[int(start), int(start) + size] for start in leaves.starts])
            result[leaves.starts[:, None] + np.arange(size)] = leaves.blocks.marginals(counts)
        return result


def log_poisson_binomial(logits: Array) -> Array:
    """Log law of the number of successes, (units + 1,), from the log odds of independent trials (P15).

    Every term keeps its relative accuracy; 100,000 trials take about a second.
    """
    return UnitTree(logits, [len(logits)], [0]).log_size_law


def _leaf_ranges(start: int, stop: int) -> list[tuple[int, int]]:
    pieces = max(1, -(-(stop - start) // BLOCK))
    borders = start + (np.arange(pieces + 1) * (stop - start)) // pieces
    return [(int(a), int(b)) for a, b in pairwise(borders)]


def _leaf_blocks(logits: Array, sizes: Sequence[int]) -> dict[int, _Leaves]:
    borders = np.concatenate([[0], np.cumsum(sizes)])
    starts: dict[int, list[int]] = {}
    for low, high in pairwise(borders):
        for start, stop in _leaf_ranges(int(low), int(high)):
            starts.setdefault(stop - start, []).append(start)
    result = {}
    for size, places in starts.items():
        index = np.array(places)
        block_logits = logits[index[:, None] + np.arange(size)]
        blocks = UnitBlocks.from_log_probabilities(log_expit(block_logits), log_expit(-block_logits))
        result[size] = _Leaves(blocks, index)
    return result


def _balanced(nodes: Sequence[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    middle = len(nodes) // 2
    left, right = _balanced(nodes[:middle]), _balanced(nodes[middle:])
    law = concave_log_convolve(left.log_law, right.log_law)
    return Node(left.start, right.stop, left.minimum + right.minimum, law, (left, right))


def _at_least(node: Node, minimum: int) -> Node:
    """The node restricted to `minimum` present units or more."""
    return Node(node.start, node.stop, minimum, node.log_law[minimum:], node.children)


def _over_zero(node: Node, law: Array) -> Array:
    """A law over minimum..size as one over 0..size."""
    return np.concatenate([np.zeros(node.minimum), law])


def _split(node: Node, children: tuple[Node, Node], law: Array) -> tuple[Array, Array]:
    """Laws of the two children's counts when the node's count follows `law` (over the node's own support).

    Given k, the left count is i with probability a_i b_{k-i} / c_k, where a, b, c are the laws of the children and the
    node.
    """
    left, right = children
    shift = node.minimum - left.minimum - right.minimum
    full = np.concatenate([np.zeros(shift), law])
    laws = np.zeros(len(left.log_law)), np.zeros(len(right.log_law))
    for tile in concave_tiles(left.log_law, right.log_law, KEPT):
        weights = full[tile.start : tile.stop]
        if not weights.any():
            continue
        scaled = weights / tile.outputs()
        a, b = tile.left, tile.right
        inside = slice(max(tile.right_start, 0), min(tile.right_start + len(b), len(laws[1])))
        to_left = a * np.correlate(b, scaled, mode="valid")[::-1]
        to_right = b * np.convolve(scaled, a[::-1])
        laws[0][tile.left_start : tile.left_start + len(a)] += to_left
        laws[1][inside] += to_right[inside.start - tile.right_start : inside.stop - tile.right_start]
    return laws


def _sample_left(children: tuple[Node, Node], counts: NDArray[np.int64], uniform: Array) -> NDArray[np.int64]:
    """The left child's counts, drawn given the node's."""
    left, right = children
    result = np.empty_like(counts)
    for count in np.unique(counts):
        chosen = counts == count
        first = max(left.minimum, int(count) - right.minimum - len(right.log_law) + 1)
        last = min(left.minimum + len(left.log_law) - 1, int(count) - right.minimum)
        log_weight = (
            left.log_law[first - left.minimum : last - left.minimum + 1]
            + right.log_law[int(count) - last - right.minimum : int(count) - first - right.minimum + 1][::-1]
        )
        cumulative = np.cumsum(np.exp(log_weight - log_weight.max()))
        result[chosen] = first + np.searchsorted(cumulative, uniform[chosen] * cumulative[-1], side="right")
    return np.minimum(result, left.minimum + len(left.log_law) - 1)
