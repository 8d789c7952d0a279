"""The README's figure: RMSE and log density against the hidden units that are left, a column per data set."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided.plots.style import BLUE, GREEN, GREY, ORANGE, PAGE_WIDTH, styled
from experiments.study import Row

from .published import LONGER, PAPER, PUBLISHED, UNITS
from .tables import mean_and_error

QUANTITIES = {"rmse": "test RMSE", "log_density": "log density (nats)"}
COLOURS = (BLUE, ORANGE, GREEN)
MARKERS = {PAPER: "s", LONGER: "D"}


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png: every split faint, means with standard errors in full, the published means at their 50 units."""
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    figure = Figure(figsize=(PAGE_WIDTH, 3.3), layout="constrained")
    grid = figure.subplots(len(QUANTITIES), len(datasets), sharex=True, squeeze=False)
    for place, dataset in enumerate(datasets):
        of_set = [row["methods"] for row in rows if row["dataset"] == dataset]
        for ax, quantity in zip(grid[:, place], QUANTITIES, strict=True):
            _measured(ax, of_set, quantity)
            _published(ax, dataset, quantity)
        grid[0, place].set_title(dataset)
        grid[-1, place].set(xlabel="hidden units left", xlim=(0, UNITS + 4))
    for ax, label in zip(grid[:, 0], QUANTITIES.values(), strict=True):
        ax.set_ylabel(label)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    figure.savefig(folder / "figure.png", dpi=200, metadata={"Software": None})


def _measured(ax: Axes, of_set: list[dict[str, Any]], quantity: str) -> None:
    for method, colour in zip(of_set[0], COLOURS, strict=True):
        widths = [found[method]["width"] for found in of_set]
        values = [found[method][quantity] for found in of_set]
        ax.plot(widths, values, "o", color=colour, alpha=0.35, markeredgewidth=0)
        (x, x_error), (y, y_error) = mean_and_error(widths), mean_and_error(values)
        ax.errorbar(x, y, xerr=x_error, yerr=y_error, fmt="o", color=colour, markersize=4, label=method, zorder=3)


def _published(ax: Axes, dataset: str, quantity: str) -> None:
    for method, numbers in PUBLISHED[dataset].items():
        value, error = getattr(numbers, quantity), getattr(numbers, f"{quantity}_error")
        ax.errorbar(UNITS, value, yerr=error, fmt=MARKERS[method], color=GREY, label=method)
        ax.axhline(value, color=GREY, linewidth=0.5, linestyle=":", zorder=0)
