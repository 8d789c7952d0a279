"""Test error against MACs: the networks found, the published ones, the bars."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayes_guided.plots.style import BLUE, COLUMN_WIDTH, GREY, LIGHT, ORANGE, styled

from .published import BARS, PUBLISHED
from .tables import Row, by_setting, mean_error, size_of

LOOKS = {1: (BLUE, "o", "training images shifted"), 0: (ORANGE, "s", "images as they are")}


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png."""
    figure = Figure(figsize=(COLUMN_WIDTH, 3.0), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    _bars(ax)
    _published(ax)
    _measured(ax, rows)
    ax.set(xscale="log", xlabel="MACs per image", ylabel="test error (%)")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda macs, _: f"{macs:,.0f}"))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(folder / "figure.png", metadata={"Software": None})


def _bars(ax: Axes) -> None:
    for name, bar in BARS.items():
        ax.plot([9e4, bar.size.macs, bar.size.macs], [bar.error, bar.error, 0.6], color=LIGHT, linewidth=1, zorder=0)
        ax.annotate(name, (bar.size.macs, bar.error), (2, 2), textcoords="offset points", color=GREY)
    ax.plot([], [], color=LIGHT, label="bar: below and left")


def _published(ax: Axes) -> None:
    macs, errors = [line.size.macs for line in PUBLISHED], [line.error for line in PUBLISHED]
    ax.plot(macs, errors, "x", color=GREY, markersize=5, label="published")


def _measured(ax: Axes, rows: list[Row]) -> None:
    for (_, shift), found in by_setting(rows).items():
        colour, marker, label = LOOKS[shift]
        sizes = [size_of(row).macs for row in found]
        ax.plot(sizes, [100 * row["test_error"] for row in found], marker, color=colour, markersize=2.5, alpha=0.6)
        centre = [sum(sizes) / len(sizes)], [mean_error(found)]
        known = ax.get_legend_handles_labels()[1]
        ax.plot(*centre, marker, color=colour, markersize=6, label=None if label in known else label)
