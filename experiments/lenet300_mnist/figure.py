"""Error against parameters beside the published networks, and which pixels are read."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import ScalarFormatter

from bayes_guided.plots.style import BLUE, GREY, ORANGE, PAGE_WIDTH, styled
from experiments.cases import Row

from .bars import BARS, PUBLISHED, parameters
from .fits import FORMS
from .images import SIDE
from .tables import networks

COLOURS = dict(zip(FORMS, (BLUE, ORANGE), strict=True))
MARKERS = dict(zip(BARS, "osD", strict=True))


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png: on the left a point per seed, on the right in how many seeds each pixel is read."""
    figure = Figure(figsize=(PAGE_WIDTH, 3.2), layout="constrained")
    parts = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.05])[0]
    _trade_off(parts[0].subplots(), rows)
    _pixels(parts[1], rows)
    figure.savefig(folder / "figure.png", dpi=170, metadata={"Software": None})


def _trade_off(ax: Axes, rows: list[Row]) -> None:
    for setting in BARS:
        for form, colour in COLOURS.items():
            found = networks(rows, setting, form)
            x, y = [row["parameters"] for row in found], [100 * row["error"] for row in found]
            ax.scatter(x, y, s=14, marker=MARKERS[setting], color=colour, zorder=3)
    for peer in PUBLISHED:
        size = parameters(peer.widths)
        ax.plot([size, size], peer.errors, color=GREY, marker="x", markersize=4, linewidth=1)
        name = peer.method.replace(", ", ",\n")
        ax.annotate(name, (size, peer.errors[1]), (3, 3), textcoords="offset points", fontsize=6, color=GREY)
    for form, colour in COLOURS.items():
        ax.scatter([], [], s=14, color=colour, label=f"images {form}")
    for setting, marker in MARKERS.items():
        ax.scatter([], [], s=14, color="black", marker=marker, label=f"setting {setting}")
    ax.plot([], [], color=GREY, marker="x", markersize=4, linestyle="none", label="published")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0, ncols=2, fontsize=6)
    ax.set_xscale("log")
    ax.set_xticks([10_000, 20_000, 40_000, 80_000])
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.minorticks_off()
    ax.set_xlabel("parameters")
    ax.set_ylabel("test error (%)")


def _pixels(where: SubFigure, rows: list[Row]) -> None:
    axes = where.subplots(len(FORMS), len(BARS), squeeze=False)
    seeds = max(sum(row["setting"] == setting for row in rows) for setting in BARS)
    scale = Normalize(0, max(seeds, 1))
    for line, form in zip(axes, FORMS, strict=True):
        for ax, setting in zip(line, BARS, strict=True):
            counts = read_counts(networks(rows, setting, form))
            ax.imshow(counts, norm=scale, cmap="cividis", interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_title(f"{setting}, {form}", fontsize=6)
    bar = where.colorbar(ScalarMappable(scale, "cividis"), ax=axes, shrink=0.5, ticks=range(seeds + 1), location="bottom")
    bar.set_label("seeds whose network reads the pixel", fontsize=7)


def read_counts(found: list[Row]) -> np.ndarray:
    """How many of the networks read each pixel, an image of counts."""
    counts = np.zeros(SIDE * SIDE, dtype=int)
    for row in found:
        counts[row["pixels"]] += 1
    return counts.reshape(SIDE, SIDE)
