"""Numbers of a law of the width, given as probabilities (or their logarithms) of 0, 1, ... units."""

import math
from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Any

from experiments.cases import Row


def mean_width(law: Sequence[float]) -> float:
    """Expected number of units."""
    return sum(width * probability for width, probability in enumerate(law))


def probabilities(log_law: Sequence[float]) -> list[float]:
    """From logarithms."""
    return [math.exp(value) for value in log_law]


def with_range(values: Sequence[float], form: str = ".1f") -> str:
    """The mean and, of several values, their range."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def of_part(rows: Iterable[Row], part: str, **wanted: Any) -> list[Row]:
    """The rows of a part of the study that have these values."""
    return [row for row in rows if row["part"] == part and all(row[name] == value for name, value in wanted.items())]


def distinct(rows: Iterable[Row], name: str) -> list[Any]:
    """The values of a column, each once, in order."""
    return list(dict.fromkeys(row[name] for row in rows))


def posterior_of(row: Row, family: str, factor: float) -> Row:
    """What a row of part "uci" says under one prior."""
    (found,) = (one for one in row["posteriors"][family] if one["factor"] == factor)
    return found


def exact_means(rows: list[Row], family: str, factor: float) -> list[float]:
    """Posterior expected widths of rows of part "uci"."""
    return [mean_width(posterior_of(row, family, factor)["width_law"]) for row in rows]


def overruled_from(rows: list[Row], family: str, factor: float, *, within: float) -> int | None:
    """From which N on the posterior expected width is within so many units of the unguided one, in every seed; None if never.

    `rows` are those of one data set.
    """
    found = None
    for n in sorted(distinct(rows, "n"), reverse=True):
        here = of_part(rows, "uci", n=n)
        gaps = [abs(a - b) for a, b in zip(exact_means(here, family, factor), exact_means(here, family, 0.0), strict=True)]
        if max(gaps) > within:
            return found
        found = n
    return found


KINDS = ("needed", "needless", "twins")


def kind_of_unit(unit: int, settings: Row) -> str:
    """What is known of a unit of the regression, counted from 1: one of KINDS; both copies of a pair are twins."""
    pairs = [(int(copy), original) for copy, original in settings["twins"].items()]
    if any(unit in pair for pair in pairs):
        return "twins"
    return "needless" if unit in settings["needless"] else "needed"
