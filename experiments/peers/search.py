"""A short search for the strength that leaves a network at, or just below, a wanted size."""

import math
from collections.abc import Callable
from typing import Any


class NothingLeftError(Exception):
    """Every strength that was tried left a layer without units."""


class SizeSearch:
    """Sizes as fractions of the dense network, tried at few strengths; what is known serves every target.

    `fraction` gives the size at a strength, None if a whole layer is lost there. A size fits if it is at most the target and
    at least `settings["nearest"]` of it; a search for one target makes at most `settings["fits"]` fits.
    """

    def __init__(self, fraction: Callable[[float], float | None], settings: dict[str, Any]) -> None:
        """Nothing is fitted before a target is asked for."""
        self._fraction = fraction
        self._nearest, self._most = settings["nearest"], settings["fits"]
        self._known: dict[float, float | None] = {}

    @property
    def fits(self) -> int:
        """Fits made so far."""
        return len(self._known)

    def strength(self, target: float, start: float) -> float:
        """The strength whose size is the largest at or below the target; if there is none, the nearest above it.

        The first try is `start`, unless what is known says that it is too weak or too strong, or a known size fits.

        Raises:
            NothingLeftError: if no strength left a unit in every layer.
        """
        last = self.fits + self._most
        strength = self._first(target, start)
        while not self._fitting(target) and self.fits < last:
            self._known[strength] = self._fraction(strength)
            strength = self._next(target)
        sizes = {strength: size for strength, size in self._known.items() if size is not None}
        if not sizes:
            raise NothingLeftError(f"strengths {sorted(self._known)} all lost a layer.")
        below = {strength: size for strength, size in sizes.items() if size <= target}
        return max(below, key=below.__getitem__) if below else min(sizes, key=sizes.__getitem__)

    def _fitting(self, target: float) -> bool:
        return any(size is not None and self._nearest * target <= size <= target for size in self._known.values())

    def _first(self, target: float, start: float) -> float:
        too_weak = [s for s, size in self._known.items() if s >= start and size is not None and size > target]
        too_strong = [s for s, size in self._known.items() if s <= start and (size is None or size <= target)]
        return self._next(target) if too_weak or too_strong else start

    def _next(self, target: float) -> float:
        """Between the nearest strengths on both sides, by the line through their log sizes; beyond them where there is one."""
        goal = math.log((1 + self._nearest) / 2 * target)
        sizes = {math.log(s): None if size is None else math.log(size) for s, size in self._known.items()}
        weak = [(s, size) for s, size in sizes.items() if size is not None and size > math.log(target)]
        strong = [(s, size) for s, size in sizes.items() if size is None or size <= math.log(target)]
        if not strong:
            (s, size), slope = max(weak), 1.0  # as if size fell in proportion to strength, until two sizes tell
            if len(weak) > 1:
                (before, larger), _ = sorted(weak)[-2:]
                slope = min(max((larger - size) / (s - before), 0.3), 3.0)
            return math.exp(s + max((size - goal) / slope, 0.05))
        s, size = min(strong, key=lambda known: known[0])
        if not weak:
            return math.exp(s - (math.log(2) if size is None else max(goal - size, 0.05)))
        low, low_size = max(weak)
        share = 0.5 if size is None else (low_size - goal) / (low_size - size)
        return math.exp(low + min(max(share, 0.1), 0.9) * (s - low))
