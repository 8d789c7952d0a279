"""The forest plot: one line per regulariser, its interval, and the line of no difference."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided.plots.style import BLUE, GREY, ORANGE, PAGE_WIDTH, styled

from .pairs import Comparison, Interval, compare
from .regularisers import NAMES
from .tables import SETS


@styled
def draw(rows: list[dict[str, Any]], folder: Path) -> None:
    """Writes figure.png: size at matched error (left) and error at matched size (right), a row of panels per data set."""
    comparisons = compare(rows)
    names = [name for name in SETS if any(one.data == name for one in comparisons)]
    figure = Figure(figsize=(PAGE_WIDTH, 2.3 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 2, sharey="row", sharex="col", squeeze=False)
    for name, (left, right) in zip(names, panels, strict=True):
        same = [one for one in comparisons if one.data == name]
        _forest(left, same, [one.size for one in same])
        _forest(right, same, [one.error_at_equal_size for one in same], scale=100)
        left.set_title(f"{SETS[name]}: size at matched error")
        right.set_title(f"{SETS[name]}: error at matched size")
    ticks = [0.25, 0.5, 1, 2, 4]
    panels[-1, 0].set(
        xlabel="parameters, guided / unguided", xticks=np.log(ticks), xticklabels=[f"{tick:g}" for tick in ticks]
    )
    panels[-1, 1].set_xlabel("test error, guided - unguided (points)")
    figure.savefig(folder / "figure.png", dpi=200, metadata={"Software": None})


def _forest(ax: Axes, comparisons: list[Comparison], intervals: list[Interval | None], *, scale: float = 1.0) -> None:
    ax.axvline(0, color=GREY, linewidth=0.8)
    for place, interval in enumerate(intervals):
        if interval is not None:
            colour = {-1: BLUE, 0: "black", 1: ORANGE}[interval.sign]
            half = scale * interval.half if np.isfinite(interval.half) else 0.0
            ax.errorbar(scale * interval.mean, place, xerr=half, fmt="o", color=colour, capsize=2, linewidth=1)
    ax.set_yticks(range(len(comparisons)), [NAMES[one.regulariser] for one in comparisons])
    ax.set_ylim(len(comparisons) - 0.5, -0.5)
