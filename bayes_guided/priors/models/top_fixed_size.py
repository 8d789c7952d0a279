"""Masks in descending order of weight when the weight of a mask depends on its units and on its number of units.

Masks of one size that meet the groups' minimums are the bases of a matroid, so the best is greedy and the next best differs
by one swap. Solutions are partitioned by units forced in and out [Gabow1977]: each further mask costs two searches for the
best swap. Within a group, masks differ from a prefix of the units in descending order by a few swaps only, so a search looks
at the border of the prefix, not at all units.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Unit = tuple[int, int]
"""Group, and rank within the group in descending order of log odds."""

NONE: frozenset[Unit] = frozenset()


@dataclass(frozen=True)
class _Model:
    """The first `prefix[g]` ranks of each group, without the units in `removed` and with those in `added`."""

    prefix: tuple[int, ...]
    removed: frozenset[Unit] = NONE
    added: frozenset[Unit] = NONE

    def swapped(self, out: Unit, into: Unit) -> "_Model":
        """The model without `out` and with `into`."""
        removed = self.removed if out in self.added else self.removed | {out}
        return _Model(self.prefix, removed, (self.added - {out}) | {into})

    def width(self, group: int) -> int:
        """Units present in a group."""
        extra = sum(unit[0] == group for unit in self.added) - sum(unit[0] == group for unit in self.removed)
        return self.prefix[group] + extra


@dataclass(frozen=True)
class _Part:
    """Models with some units forced in and out, of which `best` is the best and was given already, and its best swap."""

    best: _Model
    weight: float
    forced_in: frozenset[Unit]
    forced_out: frozenset[Unit]
    out: Unit
    into: Unit


def masks_by_weight(
    logits: Array, sizes: Sequence[int], minimums: Sequence[int], log_size_weight: Array
) -> Iterator[tuple[float, Mask]]:
    """(weight, mask) in descending order of `logits[mask].sum() + log_size_weight[mask.sum()]`.

    Units are in consecutive groups of the given sizes; masks have at least `minimums` units in each.
    """
    search = _Search(logits, sizes, minimums)
    heap: list[tuple[float, int, int | _Part]] = [
        (-weight, size, size) for size, weight in search.best_weights(log_size_weight)
    ]
    heapq.heapify(heap)
    order = len(logits) + 1  # ties must not compare the parts
    while heap:
        negative, _, found = heapq.heappop(heap)
        if isinstance(found, _Part):
            model = found.best.swapped(found.out, found.into)
            without, within = found.forced_out | {found.out}, found.forced_in | {found.out}
            parts = [
                search.part(model, -negative, found.forced_in, without),
                search.part(found.best, found.weight, within, found.forced_out),
            ]
        else:
            model = search.greedy(found)
            parts = [search.part(model, -negative, NONE, NONE)]
        yield -negative, search.mask(model)
        for weight, part in filter(None, parts):
            heapq.heappush(heap, (-weight, order, part))
            order += 1


class _Search:
    def __init__(self, logits: Array, sizes: Sequence[int], minimums: Sequence[int]) -> None:
        borders = np.cumsum([0, *sizes])
        self._units = [
            low + np.argsort(-logits[low : low + size], kind="stable") for low, size in zip(borders[:-1], sizes, strict=True)
        ]
        self._values = [logits[units] for units in self._units]
        self._minimums = list(minimums)
        free = [values[least:] for values, least in zip(self._values, minimums, strict=True)]
        groups = np.repeat(np.arange(len(free)), [len(values) for values in free])
        by_value = np.argsort(-np.concatenate(free), kind="stable")
        self._free_values, self._free_groups = np.concatenate(free)[by_value], groups[by_value]
        required = [values[:least].sum() for values, least in zip(self._values, minimums, strict=True)]
        self._required_weight = float(np.sum(required))

    def best_weights(self, log_size_weight: Array) -> Iterator[tuple[int, float]]:
        """Sizes that are possible, and the weight of their best mask."""
        sums = np.concatenate([[0.0], np.cumsum(self._free_values)]) + self._required_weight
        least = sum(self._minimums)
        for size in np.flatnonzero(log_size_weight[least:] > -np.inf):
            yield least + int(size), float(sums[size] + log_size_weight[least + size])

    def greedy(self, size: int) -> _Model:
        """The best model of a size: the minimums, then the largest log odds of all groups."""
        extra = np.bincount(self._free_groups[: size - sum(self._minimums)], minlength=len(self._minimums))
        return _Model(tuple(int(n) + least for n, least in zip(extra, self._minimums, strict=True)))

    def mask(self, model: _Model) -> Mask:
        """The model's units as a mask."""
        mask = np.zeros(sum(map(len, self._units)), dtype=bool)
        for units, prefix in zip(self._units, model.prefix, strict=True):
            mask[units[:prefix]] = True
        mask[[self._units[group][rank] for group, rank in model.removed]] = False
        mask[[self._units[group][rank] for group, rank in model.added]] = True
        return mask

    def part(
        self, best: _Model, weight: float, forced_in: frozenset[Unit], forced_out: frozenset[Unit]
    ) -> tuple[float, _Part] | None:
        """The weight of the second best model of a part, and the part; None if it has no second."""
        groups = range(len(self._units))
        leaving = [self._leaving(best, group, forced_in) for group in groups]
        entering = [self._entering(best, group, forced_out) for group in groups]
        most = max((unit for unit in entering if unit), key=self._value, default=None)
        swaps = []
        for group, out in enumerate(leaving):
            # A group at its minimum may only swap within itself; a unit of another group gives way to any unit.
            into = entering[group] if best.width(group) <= self._minimums[group] else most
            if out and into:
                swaps.append((self._value(into) - self._value(out), out, into))
        if not swaps:
            return None
        gain, out, into = max(swaps)
        return weight + gain, _Part(best, weight, forced_in, forced_out, out, into)

    def _value(self, unit: Unit) -> float:
        return float(self._values[unit[0]][unit[1]])

    def _leaving(self, model: _Model, group: int, forced_in: frozenset[Unit]) -> Unit | None:
        """The present unit of a group with the least log odds that may leave."""
        added = [unit for unit in model.added if unit[0] == group and unit not in forced_in]
        if added:
            return max(added)
        for rank in range(model.prefix[group] - 1, -1, -1):
            if (group, rank) not in model.removed and (group, rank) not in forced_in:
                return group, rank
        return None

    def _entering(self, model: _Model, group: int, forced_out: frozenset[Unit]) -> Unit | None:
        """The absent unit of a group with the largest log odds that may enter; removed units are all forced out."""
        for rank in range(model.prefix[group], len(self._units[group])):
            if (group, rank) not in model.added and (group, rank) not in forced_out:
                return group, rank
        return None
