"""The best of exponentially many sums, lazily and in order, with a heap (P15)."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


def smallest_subset_sums(values: NDArray[np.float64]) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Subsets of non-negative values in ascending order of their sums: (sum, places).

    Sorted once; each further subset costs O(log k). A subset is followed by itself with its largest member moved one place
    up, and with the next larger value added: every subset arises once.
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    yield 0.0, ()
    heap: list[tuple[float, tuple[int, ...]]] = [(float(ascending[0]), (0,))] if len(values) else []
    while heap:
        total, chosen = heapq.heappop(heap)
        yield total, tuple(int(order[place]) for place in chosen)
        last = chosen[-1]
        if last + 1 < len(ascending):
            step = float(ascending[last + 1])
            heapq.heappush(heap, (total + step, (*chosen, last + 1)))
            heapq.heappush(heap, (total + (step - float(ascending[last])), (*chosen[:-1], last + 1)))


def largest_sums(sequences: Sequence[Iterator[tuple[float, Item]]]) -> Iterator[tuple[float, list[Item]]]:
    """Choices of one item per sequence in descending order of the sum of their scores.

    Every sequence yields (score, item) in descending order and is read only as far as needed. A choice is followed by
    those that move one sequence, the last moved or a later one, one place on: every choice arises once.
    """
    lists = [_Lazy(sequence) for sequence in sequences]
    if any(not entries.reaches(0) for entries in lists):
        return
    start = sum(entries[0][0] for entries in lists)
    heap: list[tuple[float, int, dict[int, int]]] = [(-start, 0, {})]
    order = 1  # ties must not compare the dictionaries
    while heap:
        negative, _, moved = heapq.heappop(heap)
        yield -negative, [entries[moved.get(place, 0)][1] for place, entries in enumerate(lists)]
        for place in range(max(moved, default=0), len(lists)):
            rank = moved.get(place, 0) + 1
            if lists[place].reaches(rank):
                score = -negative + (lists[place][rank][0] - lists[place][rank - 1][0])
                heapq.heappush(heap, (-score, order, {**moved, place: rank}))
                order += 1


class _Lazy(Generic[Item]):
    """An iterator that remembers what it has given."""

    def __init__(self, source: Iterator[tuple[float, Item]]) -> None:
        self._source = source
        self._given: list[tuple[float, Item]] = []

    def reaches(self, rank: int) -> bool:
        """Whether there is an entry at `rank`."""
        while len(self._given) <= rank:
            entry = next(self._source, None)
            if entry is None:
                return False
            self._given.append(entry)
        return True

    def __getitem__(self, rank: int) -> tuple[float, Item]:
        return self._given[rank]
