"""One row a data set, one panel a profile: its fronts and its mean path beside those of constant guidance."""

from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean, mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from bayes_guided.plots.style import BLUE, GREY, LIGHT, PAGE_WIDTH, styled
from experiments.study import Row

from .fronts import REFITTED, fits, front, levels
from .profiles import CONSTANT, DENSE
from .tables import datasets_of, profiles_of

_ABOVE = 0.004
"""How far beyond the last error that is compared the panels reach (fraction)."""


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png."""
    datasets = datasets_of(rows)
    columns = [name for name in profiles_of(rows, datasets[0]) if name != CONSTANT]
    figure = Figure(figsize=(PAGE_WIDTH, 0.5 + 1.55 * len(datasets)), layout="constrained")
    grid = figure.subplots(len(datasets), len(columns), sharex="row", sharey="row", squeeze=False)
    for line, dataset in zip(grid, datasets, strict=True):
        for ax, profile in zip(line, columns, strict=True):
            panel([row for row in rows if row["dataset"] == dataset], dataset, profile, ax)
        line[0].set_ylabel(f"{dataset}\nvalidation error (%)")
    for ax, profile in zip(grid[0], columns, strict=True):
        ax.set_title(profile)
    for ax in grid[-1]:
        ax.set_xlabel("parameters")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.savefig(folder / "figure.png", dpi=110, metadata={"Software": None})


def panel(rows: Sequence[Row], dataset: str, profile: str, ax: Axes) -> Axes:
    """Fronts of every seed and means over seeds, under constant guidance and the profile, and the errors that are compared."""
    compared = levels(rows, dataset)
    for level in compared:
        ax.axhline(100 * level, color=LIGHT, zorder=0, label="errors compared" if level == compared[0] else None)
    for name, colour in ((CONSTANT, GREY), (profile, BLUE)):
        for place, seed in enumerate(sorted({row["seed"] for row in rows if row["profile"] == name})):
            points = front(fits(rows, dataset, name, seed))
            label = None if place else f"{_named(name)}, each seed's front"
            counts, errors = [row["parameters"] for row in points], [100 * row[REFITTED] for row in points]
            ax.plot(counts, errors, color=colour, alpha=0.35, linewidth=0.6, label=label)
        ax.plot(*_means(rows, name), "o-", color=colour, zorder=3, label=f"{_named(name)}, mean at each strength")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(10, subs=(1, 3)))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.xaxis.set_minor_formatter(NullFormatter())
    lowest = min(row[REFITTED] for row in rows)
    ax.set_ylim(100 * (lowest - 0.1 * _ABOVE), 100 * (compared[-1] + _ABOVE))
    return ax


def _means(rows: Sequence[Row], profile: str) -> tuple[list[float], list[float]]:
    """Geometric mean parameters and mean error (%) over seeds at each strength, dense first, where no fit lost a layer."""
    by_strength: dict[float, list[Row]] = {}
    for row in rows:
        if row["profile"] in (profile, DENSE):
            by_strength.setdefault(row["strength"], []).append(row)
    whole = [
        by_strength[strength] for strength in sorted(by_strength) if not any(row["collapsed"] for row in by_strength[strength])
    ]
    counts = [geometric_mean(row["parameters"] for row in same) for same in whole]
    return counts, [100 * mean(row[REFITTED] for row in same) for same in whole]


def _named(profile: str) -> str:
    return "constant" if profile == CONSTANT else "the panel's profile"
