"""Fronts of error against size, the size at a given error, and how two profiles compare there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, stdev

from scipy.stats import t

from experiments.study import Row

from .profiles import CONSTANT, DENSE

REFITTED, AS_REDUCED, ON_TEST = "validation_error", "validation_error_map", "test_error"
"""The validation error of the network as handed over, that of the MAP before its refit, and the former's test error."""

EXCESS = {"mnist": (0.005, 0.01), "fashion-mnist": (0.005, 0.01), "digits": (0.01, 0.02)}
"""Points of validation error above the dense network at which sizes are compared (fractions), fixed before any comparison."""

STEPS = 11
"""Errors between the two, both among them, over which `between_levels` takes its mean."""


@dataclass(frozen=True)
class Size:
    """A network at some validation error, measured or between two measured ones: test error a fraction, the rest counts."""

    parameters: float
    widths: tuple[float, ...]
    test_error: float


@dataclass(frozen=True)
class Factor:
    """A geometric mean ratio over pairs of seeds, with its 95 % interval (t, in logarithms); none from a single pair."""

    ratio: float
    interval: tuple[float, float] | None
    pairs: int


def front(rows: Sequence[Row], error: str = REFITTED) -> list[Row]:
    """Those of the rows that no other beats in error and parameters, smallest error first, parameters falling.

    A fit in which a layer lost all its units is no network and on no front.
    """
    found: list[Row] = []
    for row in sorted((row for row in rows if not row["collapsed"]), key=lambda row: (row[error], row["parameters"])):
        if not found or row["parameters"] < found[-1]["parameters"]:
            found.append(row)
    return found


def size_at(points: Sequence[Row], level: float, error: str = REFITTED) -> Size | None:
    """The size on a front at an error: linear between neighbours, counts in logarithms; None outside the front."""
    for first, second in pairwise(points):
        if first[error] <= level <= second[error]:
            share = (level - first[error]) / (second[error] - first[error])
            widths = zip(first["widths"], second["widths"], strict=True)
            return Size(
                _between(first["parameters"], second["parameters"], share),
                tuple(_between(*pair, share) for pair in widths),
                (1 - share) * first["test_error"] + share * second["test_error"],
            )
    return None


def levels(rows: Sequence[Row], dataset: str, error: str = REFITTED) -> list[float]:
    """The errors at which this data set's fronts are compared: the dense network's, mean over seeds, and the excess."""
    dense = mean(row[error] for row in rows if row["dataset"] == dataset and row["profile"] == DENSE)
    return [dense + excess for excess in EXCESS[dataset]]


def fits(rows: Sequence[Row], dataset: str, profile: str, seed: int) -> list[Row]:
    """The fits of one profile with one seed, and the dense network: strength 0, with which every path begins."""
    wanted = [(dataset, name, seed) for name in (profile, DENSE)]
    return [row for row in rows if (row["dataset"], row["profile"], row["seed"]) in wanted]


def sizes(rows: Sequence[Row], dataset: str, profile: str, level: float, error: str = REFITTED) -> dict[int, Size | None]:
    """The size at an error by seed, None where the seed's front does not reach it."""
    seeds = sorted({row["seed"] for row in rows if (row["dataset"], row["profile"]) == (dataset, profile)})
    return {seed: size_at(front(fits(rows, dataset, profile, seed), error), level, error) for seed in seeds}


def log_ratios(mine: dict[int, Size | None], other: dict[int, Size | None]) -> dict[int, float]:
    """Logarithms of the one's parameters over the other's, for the seeds that reach the error under both."""
    pairs = ((seed, size, other.get(seed)) for seed, size in mine.items())
    return {seed: math.log(size.parameters / beside.parameters) for seed, size, beside in pairs if size and beside}


def factor_of(logs: Sequence[float]) -> Factor | None:
    """The mean of one logarithm a seed, as a factor; None if there are none."""
    if not logs:
        return None
    centre = mean(logs)
    if len(logs) == 1:
        return Factor(math.exp(centre), None, 1)
    half = t.ppf(0.975, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return Factor(math.exp(centre), (math.exp(centre - half), math.exp(centre + half)), len(logs))


def at_level(rows: Sequence[Row], dataset: str, profile: str, level: float, other: str = CONSTANT) -> Factor | None:
    """Parameters of a profile over those of another, at one validation error."""
    both = (sizes(rows, dataset, name, level) for name in (profile, other))
    return factor_of(list(log_ratios(*both).values()))


def between_levels(
    rows: Sequence[Row], dataset: str, profile: str, error: str = REFITTED, other: str = CONSTANT
) -> Factor | None:
    """The same, each seed's mean over errors evenly between the two that are compared: one error alone is noisier.

    A seed's mean is over those of the errors that it reaches under both profiles.
    """
    low, high = levels(rows, dataset, error)
    found: dict[int, list[float]] = {}
    for step in range(STEPS):
        level = low + step / (STEPS - 1) * (high - low)
        both = (sizes(rows, dataset, name, level, error) for name in (profile, other))
        for seed, ratio in log_ratios(*both).items():
            found.setdefault(seed, []).append(ratio)
    return factor_of([mean(ratios) for ratios in found.values()])


def _between(first: float, second: float, share: float) -> float:
    return math.exp((1 - share) * math.log(first) + share * math.log(second))
