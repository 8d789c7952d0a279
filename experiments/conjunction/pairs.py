"""Guided against unguided, paired by seed: at matched error, and at matched size."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from scipy import stats

from .regularisers import dense_case

Path = dict[str, Any]
"""A stored row: lists over the networks of one path."""

MARGIN = 0.01
"""How much larger than the dense network's a validation error may be."""


@dataclass(frozen=True)
class Interval:
    """The mean of differences, and half the width of its 95 % interval by Student's t; infinite for a single difference."""

    mean: float
    half: float

    @classmethod
    def of(cls, differences: list[float]) -> "Interval":
        """Of differences that are independent and about normal."""
        values, n = np.asarray(differences), len(differences)
        half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5 if n > 1 else np.inf
        return cls(float(values.mean()), float(half))

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The upper end."""
        return self.mean + self.half

    @property
    def sign(self) -> int:
        """-1 or 1 where the whole interval is below or above 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Handed:
    """The network that a path hands over: the smallest whose validation error is within MARGIN of the dense network's."""

    parameters: int
    test_error: float
    place: float
    found: bool
    """Whether the path has such a network; else this is the dense one, which always is within."""

    @classmethod
    def of(cls, path: Path, dense: Path) -> "Handed":
        """Chosen on validation errors alone; the path's, or else the dense network."""
        allowed = dense["validation_error"][0] + MARGIN + 1e-9
        within = [k for k, error in enumerate(path["validation_error"]) if error <= allowed]
        smallest = min(within, key=lambda k: path["parameters"][k], default=None)
        source, k = (dense, 0) if smallest is None else (path, smallest)
        return cls(source["parameters"][k], source["test_error"][k], source["place"][k], smallest is not None)


def front(path: Path) -> tuple[list[float], list[float]]:
    """Log parameters, rising, and test errors of the networks that no smaller one of the path beats on validation."""
    order = sorted(range(len(path["parameters"])), key=lambda k: (path["parameters"][k], path["validation_error"][k]))
    kept, best = [], float("inf")
    for k in order:
        if path["validation_error"][k] < best:
            kept.append(k)
            best = path["validation_error"][k]
    return [float(np.log(path["parameters"][k])) for k in kept], [path["test_error"][k] for k in kept]


def error_difference(guided: Path, unguided: Path) -> float | None:
    """Guided minus unguided test error at equal size, averaged evenly over the log sizes that both paths span.

    Between the networks of a front the error is linear in log parameters; above the last one it stays as it is. None where
    the paths share no range of sizes.
    """
    paths = (guided, unguided)
    if not all(path["parameters"] for path in paths):
        return None
    low, high = max(_log_size(path, min) for path in paths), min(_log_size(path, max) for path in paths)
    if low >= high:
        return None
    fronts = [front(path) for path in paths]
    inside = [size for sizes, _ in fronts for size in sizes if low < size < high]
    at = np.array(sorted({low, high, *inside}))  # the difference is linear between these, so trapezes are exact
    ours, other = (np.interp(at, *points) for points in fronts)
    return float(np.trapezoid(ours - other, at) / (high - low))


def _log_size(path: Path, extreme: Callable[[list[int]], int]) -> float:
    return float(np.log(extreme(path["parameters"])))


@dataclass(frozen=True)
class Comparison:
    """One regulariser on one data set: the networks handed over, seed by seed, and the paired differences."""

    data: str
    regulariser: str
    unguided: list[Handed]
    guided: list[Handed]
    at_equal_size: list[float]
    """Differences of test errors, of the seeds whose fronts overlap."""

    @property
    def size(self) -> Interval:
        """Difference of log parameters at matched error."""
        pairs = zip(self.guided, self.unguided, strict=True)
        return Interval.of([float(np.log(ours.parameters / other.parameters)) for ours, other in pairs])

    @property
    def error(self) -> Interval:
        """Difference of test errors between the networks handed over, a fraction."""
        return Interval.of(
            [ours.test_error - other.test_error for ours, other in zip(self.guided, self.unguided, strict=True)]
        )

    @property
    def error_at_equal_size(self) -> Interval | None:
        """Difference of test errors at equal size, a fraction; None if the sizes of no seed overlap."""
        return Interval.of(self.at_equal_size) if self.at_equal_size else None


def compare(rows: list[Path]) -> list[Comparison]:
    """Every regulariser on every data set, over the seeds for which both forms and the dense network are there."""
    stored = {(row["data"], row["regulariser"], row["guidance"], row["seed"]): row for row in rows}
    pairs = [
        (row, stored[row["data"], row["regulariser"], "constant", row["seed"]], dense)
        for row in rows
        if row["guidance"] == "linear"
        and (row["data"], row["regulariser"], "constant", row["seed"]) in stored
        and (dense := stored.get((row["data"], dense_case(row["regulariser"]), "constant", row["seed"])))
    ]
    names = list(dict.fromkeys(row["regulariser"] for row in rows))
    pairs.sort(key=lambda pair: (pair[0]["data"], names.index(pair[0]["regulariser"])))
    found = []
    for (data, regulariser), group in groupby(pairs, key=lambda pair: (pair[0]["data"], pair[0]["regulariser"])):
        same = list(group)
        differences = [error_difference(guided, unguided) for guided, unguided, _ in same]
        found.append(
            Comparison(
                data,
                regulariser,
                unguided=[Handed.of(unguided, dense) for _, unguided, dense in same],
                guided=[Handed.of(guided, dense) for guided, _, dense in same],
                at_equal_size=[difference for difference in differences if difference is not None],
            )
        )
    return found
