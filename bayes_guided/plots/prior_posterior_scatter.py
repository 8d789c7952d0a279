"""Prior against posterior log odds of every unit."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayes_guided.comparison import Comparison

from .scales import mark_infinite, nats_scale
from .style import FEW_GROUPS, GREY, LARGE, axes_or_new, group_colours, short, styled
from .units import units_of


@styled
def prior_posterior_scatter(comparison: Comparison, group: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Log odds of presence of every unit before (across) and after (up) the data, nats, coloured by group.

    More than a few groups are shaded by depth, from the first (dark) to the last (light). Units that the fit does not know,
    and protected ones, whose odds are infinite on both sides, are left out; triangles on the edges are infinite odds after the
    data.

    How to read it: on the diagonal the data said nothing; the height above it is the log Bayes factor. A cloud that splits
    into one part above and one below has been sorted by the data. Warning signs: all points on the diagonal; all above
    (or below) it by as much as they are apart, where the curvature or the threshold shifts every unit alike.

    Raises:
        ComparisonError: if several fits stand side by side, or there is no such group.
    """
    ax = axes_or_new(ax, 2.9)
    units = units_of(comparison, group)
    before, after = units["prior_log_odds"], units["posterior_log_odds"]
    shown = np.isfinite(before) & ~np.isnan(after)
    finite = shown & np.isfinite(after)
    values = np.concatenate([before[finite], after[finite]])
    nats = nats_scale(ax, "x", values), nats_scale(ax, "y", values)  # one scale, so that equal odds are a straight line
    ax.axhline(0, color=GREY, linewidth=0.4)
    ax.axvline(0, color=GREY, linewidth=0.4)
    many = len(units) > LARGE
    starts = np.cumsum([0, *units.sizes])
    colours = group_colours(len(units.groups))
    for place, (name, colour) in enumerate(zip(units.groups, colours, strict=True)):
        here = slice(starts[place], starts[place + 1])
        chosen = finite[here]
        look: dict[str, Any] = {"markersize": 1.2, "rasterized": True} if many else {"markersize": 2.5}
        ax.plot(before[here][chosen], after[here][chosen], "o", color=colour, markeredgewidth=0, label=name, **look)
        mark_infinite(ax, before[here][shown[here]], after[here][shown[here]], color=colour, markersize=3)
    ax.set_xlabel(f"prior log odds ({nats[0]}, {units.prior_reading})")
    ax.set_ylabel(f"posterior log odds\n({nats[1]}, {units.method})")
    if len(values):
        ends = [float(values.min()), float(values.max())]
        ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())  # the points' own, whatever the line
        ax.plot(ends, ends, color=GREY, linestyle="--", linewidth=0.8, zorder=2.5)
    _legend(ax, units.groups)
    return ax


def _legend(ax: Axes, names: list[str]) -> None:
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    labels = [short(name, 16) for name in names]
    if len(names) > FEW_GROUPS:
        lines, labels = [lines[0], lines[-1]], [f"first: {labels[0]}", f"last of {len(names)}: {labels[-1]}"]
    ax.legend(lines, labels, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, markerscale=2, borderaxespad=0)
