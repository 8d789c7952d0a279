"""The README's tables: sizes at equal error, by three kinds of error, of the control, and fits that lost a layer."""

from collections.abc import Sequence
from statistics import geometric_mean, mean

from experiments.study import Row

from .fronts import AS_REDUCED, EXCESS, ON_TEST, REFITTED, Factor, Size, at_level, between_levels, levels, sizes
from .profiles import CONSTANT, DENSE, PROFILES, SHUFFLED


def tables(rows: list[Row]) -> dict[str, str]:
    """Markdown by marker."""
    return {"sizes": _sizes(rows), "errors": _by_error(rows), "control": _control(rows), "collapsed": _collapsed(rows)}


def profiles_of(rows: Sequence[Row], dataset: str) -> list[str]:
    """The profiles that were measured on a data set, but for the dense network and the control."""
    found = {row["profile"] for row in rows if row["dataset"] == dataset}
    return [name for name in PROFILES if name in found and name not in (DENSE, SHUFFLED)]


def datasets_of(rows: Sequence[Row]) -> list[str]:
    """The data sets that were measured, in the order of the comparison."""
    return [name for name in EXCESS if any(row["dataset"] == name for row in rows)]


def _sizes(rows: Sequence[Row]) -> str:
    lines = [
        "| data, validation error | guidance | seeds | parameters (range over seeds) | hidden units | test error "
        "| parameters against constant (95 %) |",
        "|---|---|---|---|---|---|---|",
    ]
    for dataset in datasets_of(rows):
        for excess, level in zip(EXCESS[dataset], levels(rows, dataset), strict=True):
            for profile in profiles_of(rows, dataset):
                by_seed = sizes(rows, dataset, profile, level)
                factor = None if profile == CONSTANT else at_level(rows, dataset, profile, level)
                start = f"| {dataset}, {level:.2%} (dense + {100 * excess:g}) | {profile} "
                lines.append(f"{start}| {_size_cells(by_seed)} | {'' if profile == CONSTANT else factor_text(factor)} |")
    return "\n".join(lines)


def _size_cells(by_seed: dict[int, Size | None]) -> str:
    found = [size for size in by_seed.values() if size is not None]
    reached = f"{len(found)} of {len(by_seed)}"
    if not found:
        return f"{reached} | not reached | | "
    counts = [size.parameters for size in found]
    widths = "-".join(f"{geometric_mean(layer):.0f}" for layer in zip(*(size.widths for size in found), strict=True))
    counted = f"{geometric_mean(counts):,.0f} ({min(counts):,.0f} to {max(counts):,.0f})"
    return f"{reached} | {counted} | {widths} | {mean(size.test_error for size in found):.2%}"


def _by_error(rows: Sequence[Row]) -> str:
    """Parameters against constant guidance where three kinds of error are equal, each as far above the dense network's own."""
    lines = [
        "| data, above the dense network | guidance | before the refit | after the refit | after the refit, on test images |",
        "|---|---|---|---|---|",
    ]
    for dataset in datasets_of(rows):
        for profile in profiles_of(rows, dataset):
            if profile != CONSTANT:
                kinds = (AS_REDUCED, REFITTED, ON_TEST)
                cells = [factor_text(between_levels(rows, dataset, profile, error)) for error in kinds]
                lines.append(f"| {dataset}, {_range(dataset)} | {profile} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _control(rows: Sequence[Row]) -> str:
    """Linear guidance dealt at random over linear guidance in order, and over constant guidance."""
    lines = [
        "| data, above the dense network | shuffled against | parameters, after the refit | after the refit, on test images |",
        "|---|---|---|---|",
    ]
    for dataset in datasets_of(rows):
        if any((row["dataset"], row["profile"]) == (dataset, SHUFFLED) for row in rows):
            for other in ("linear", CONSTANT):
                factors = [between_levels(rows, dataset, SHUFFLED, error, other) for error in (REFITTED, ON_TEST)]
                lines.append(f"| {dataset}, {_range(dataset)} | {other} | {' | '.join(map(factor_text, factors))} |")
    return "\n".join(lines)


def _range(dataset: str) -> str:
    low, high = EXCESS[dataset]
    return f"+ {100 * low:g} to {100 * high:g}"


def _collapsed(rows: Sequence[Row]) -> str:
    """How many fits lost all units of a layer, by strength."""
    strengths = sorted({(row["dataset"], row["strength"]) for row in rows if row["collapsed"]})
    names = [name for name in PROFILES if name != DENSE and any(row["profile"] == name for row in rows)]
    lines = [f"| data, strength | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for dataset, strength in strengths:
        cells = []
        for name in names:
            fits = [row for row in rows if (row["dataset"], row["strength"], row["profile"]) == (dataset, strength, name)]
            cells.append(f"{sum(row['collapsed'] for row in fits)} of {len(fits)}" if fits else "")
        lines.append(f"| {dataset}, {strength:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def factor_text(factor: Factor | None) -> str:
    """A ratio with its interval and, in brackets, how many seeds reached the error under both."""
    if factor is None:
        return "no seed in both"
    interval = "" if factor.interval is None else f" ({factor.interval[0]:.2f} to {factor.interval[1]:.2f})"
    return f"× {factor.ratio:.2f}{interval}, {factor.pairs} seed{'s' * (factor.pairs > 1)}"
