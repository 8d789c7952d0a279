"""The README's tables."""

from statistics import median
from typing import Any

from experiments.cases import Row

from .laws import (
    KINDS,
    distinct,
    exact_means,
    mean_width,
    of_part,
    overruled_from,
    probabilities,
    with_range,
)
from .model_priors import FAMILIES
from .single_widths import best_width, bounds_of, prior_of, reachable

WITHIN = 1.0
"""Units of difference from the unguided posterior width up to which the prior counts as overruled."""


def tables(rows: list[Row]) -> dict[str, str]:
    """By the name of the markers."""
    exact, fits, bounds = (of_part(rows, part) for part in ("uci", "mnist", "bound"))
    widths = {name: _widths(of_part(exact, "uci", data=name)) for name in distinct(exact, "data")}
    return widths | {
        "units": _units(exact),
        "mnist": _mnist(fits, bounds),
        "bounds": _bounds(bounds, fits),
    }


def _widths(rows: list[Row]) -> str:
    """Posterior expected widths of one data set, by prior and N, exact."""
    sizes = distinct(rows, "n")[1::2]
    heads = ["prior", "guidance", "prior width", *(f"N = {n:,}" for n in sizes), "overruled from"]
    lines = []
    for family in FAMILIES:
        for prior in rows[0]["posteriors"][family]:
            factor = prior["factor"]
            before = f"{mean_width(probabilities(prior['prior_log_width_law'])):.2f}"
            after = [with_range(exact_means(of_part(rows, "uci", n=n), family, factor)) for n in sizes]
            from_n = overruled_from(rows, family, factor, within=WITHIN)
            overruled = "" if factor == 0 else "never" if from_n is None else f"N = {from_n:,}"
            lines.append([family, _guidance(factor), before, *after, overruled])
    return _markdown(heads, lines)


def _units(rows: list[Row]) -> str:
    """What the data say of single units in the company of all others, exact."""
    sizes = sorted(set(distinct(rows, "n")))
    lines = []
    for data in distinct(rows, "data"):
        for kind in KINDS:
            line = [data, kind]
            for n in sizes:
                values = unit_log_bayes_factors(of_part(rows, "uci", data=data, n=n), kind)
                line.append(f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})" if values else "")
            lines.append(line)
    return _markdown(["data", "units", *(f"N = {n:,}" for n in sizes)], lines)


def unit_log_bayes_factors(rows: list[Row], kind: str) -> list[float]:
    """log p(D | all units) - log p(D | all but one), nats, of the units of a kind, in all rows."""
    return [
        value
        for row in rows
        for value, own in zip(row["unit_log_bayes_factors"], row["unit_kinds"], strict=True)
        if own == kind
    ]


def _mnist(rows: list[Row], bounds: list[Row]) -> str:
    """The variational posterior's widths, with what it paid and reached."""
    lines = []
    for n in sorted(set(distinct(rows, "n"))):
        for family, factor in dict.fromkeys((row["prior"], row["factor"]) for row in of_part(rows, "mnist", n=n)):
            here = of_part(rows, "mnist", n=n, prior=family, factor=factor)
            known = reachable(bounds_of(bounds, n), prior_of(rows, family, factor))
            lines.append(
                [
                    f"{n:,}",
                    f"{family} {_guidance(factor)}",
                    f"{mean_width(here[0]['prior_width_law']):.1f}",
                    with_range([mean_width(row["width_law"]) for row in here]),
                    with_range([row["divergence"] for row in here]),
                    with_range([row["bound"] / n for row in here], ".3f"),
                    f"{known / n:.3f}",
                    with_range([100 * row["test_error"] for row in here]),
                ]
            )
    heads = ["N", "prior", "prior width", "width, SVI", "KL(q(m), p(m)), nats"]
    return _markdown([*heads, "bound per case, nats", "reachable", "test error, %"], lines)


def _bounds(rows: list[Row], fits: list[Row]) -> str:
    """Bounds on the evidence of single widths, less the best one's, with their own errors; the best width by prior."""
    widths = sorted(set(distinct(rows, "width")))
    # Nested and tilted priors have one law of the width.
    priors = [(family, factor) for factor in (1.0, 30.0) for family in ("independent", "nested")]
    lines = []
    for n in distinct(rows, "n"):
        bounds = bounds_of(rows, n)
        errors = {row["width"]: row["bound_error"] for row in of_part(rows, "bound", n=n)}
        best = max(bounds.values())
        lines.append(
            [
                f"{n:,}",
                *(f"{bounds[width] - best:,.0f} ± {errors[width]:.0f}" for width in widths),
                *(str(best_width(bounds, prior_of(fits, *prior))) for prior in priors),
            ]
        )
    heads = ["N", *(f"{width} units" for width in widths)]
    return _markdown([*heads, *(f"best, {family} {_guidance(factor)}" for family, factor in priors)], lines)


def _guidance(factor: float) -> str:
    return "none" if factor == 0 else f"×{factor:g}"


def _markdown(heads: list[str], lines: list[list[Any]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *lines])
