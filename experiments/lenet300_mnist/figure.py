"""Error against parameters beside the published networks, and which pixels are read."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from bayes_guided.plots.style import BLUE, GREY, ORANGE, PAGE_WIDTH, styled
from experiments.cases import Row

from .bars import PUBLISHED, parameters
from .fits import FORMS
from .tables import SETTINGS, networks

SIDE = 28
"""Pixels of an image along an axis."""
COLOURS = dict(zip(FORMS, (BLUE, ORANGE), strict=True))
MARKERS = dict(zip(SETTINGS, "oD", strict=True))
LABELS = {"BC-GNJ": (4, 2, "left"), "BC-GHS": (4, -7, "left"), "L0 hard concrete, separate": (-4, -2, "right")}
"""Where the names of published points stand that would lie on one another: an offset in points, and their alignment."""
PANELS = {"medium": ("medium", "as they are"), "small": ("small", "as they are"), "small, shifted": ("small", "shifted")}
"""What the maps of pixels show; in the medium setting both forms read the same pixels."""


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png: above a point per network, below in how many seeds each pixel is read."""
    figure = Figure(figsize=(PAGE_WIDTH, 5.0), layout="constrained")
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.25, 1])[:, 0]
    _trade_off(parts[0].subplots(), rows)
    _pixels(parts[1], rows)
    figure.savefig(folder / "figure.png", dpi=170, metadata={"Software": None})


def _trade_off(ax: Axes, rows: list[Row]) -> None:
    for setting in SETTINGS:
        for form, colour in COLOURS.items():
            found = networks(rows, setting, form)
            x, y = [row["parameters"] for row in found], [100 * row["error"] for row in found]
            ax.scatter(x, y, s=14, marker=MARKERS[setting], color=colour, zorder=3)
    for peer in PUBLISHED:
        size = parameters(peer.widths)
        ax.plot([size, size], peer.errors, color=GREY, marker="x", markersize=4, linewidth=1)
        right, up, side = LABELS.get(peer.method, (4, -2, "left"))
        place = (size, peer.errors[1])
        ax.annotate(peer.method, place, (right, up), textcoords="offset points", fontsize=7, color=GREY, ha=side)
    for form, colour in COLOURS.items():
        ax.scatter([], [], s=14, color=colour, label=f"images {form}")
    for setting, marker in MARKERS.items():
        ax.scatter([], [], s=14, color="black", marker=marker, label=f"setting {setting}")
    ax.plot([], [], color=GREY, marker="x", markersize=4, linestyle="none", label="published")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0, ncols=5, fontsize=7)
    ax.set_xscale("log")
    ax.set_xlim(5_500, 110_000)
    ticks = [10_000, 20_000, 40_000, 80_000]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("parameters")
    ax.set_ylabel("test error (%)")


def _pixels(where: SubFigure, rows: list[Row]) -> None:
    axes = where.subplots(1, len(PANELS), squeeze=False)[0]
    seeds = max(1, len(rows))
    scale, colours = Normalize(-0.5, seeds + 0.5), colormaps["cividis"].resampled(seeds + 1)
    for ax, (title, (setting, form)) in zip(axes, PANELS.items(), strict=True):
        ax.imshow(read_counts(networks(rows, setting, form)), norm=scale, cmap=colours, interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(title, fontsize=8)
    bar = where.colorbar(ScalarMappable(scale, colours), ax=axes, shrink=0.8, ticks=range(seeds + 1))
    bar.set_label("seeds that read the pixel", fontsize=7)


def read_counts(found: list[Row]) -> np.ndarray:
    """How many of the networks read each pixel, an image of counts."""
    counts = np.zeros(SIDE * SIDE, dtype=int)
    for row in found:
        counts[row["pixels"]] += 1
    return counts.reshape(SIDE, SIDE)
