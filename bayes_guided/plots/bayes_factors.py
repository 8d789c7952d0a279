"""What the data say of every unit."""

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayes_guided.comparison import Comparison

from .scales import mark_infinite, nats_scale
from .side_panel import side_panel
from .style import BLUE, GREY, LARGE, ORANGE, axes_or_new, styled
from .units import along_units, units_of

GRADES = {"bare mention": 1.0, "positive": 3.0, "strong": 5.0}
"""Upper ends of the grades of evidence in nats; beyond is "very strong". Kass and Raftery give 2, 6 and 10 for 2 ln B."""

_SIDE = 0.28
"""Part of the width for the sorted factors."""


@styled
def bayes_factors(comparison: Comparison, group: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Log Bayes factor for the presence of every unit, nats: in index order (points), and sorted (right).

    Bands are Kass and Raftery's grades [Kass1995] in either direction: the darkest is worth a bare mention, the next two are
    positive and strong evidence, and beyond them it is very strong. Protected units have no Bayes factor and are left out;
    triangles on the edges are infinite ones.

    How to read it: above 0 the data want the unit, below they do not; the prior's opinion is divided out. A step in the sorted
    curve says that units fall into two kinds. Warning signs: everything inside the bands, where the size of the model is the
    prior's choice; many triangles, where a posterior made of draws has run out of them.

    Returns:
        The axes in index order; the sorted ones are their child.

    Raises:
        ComparisonError: if several fits stand side by side, or there is no such group.
    """
    ax = axes_or_new(ax, 2.2)
    units = units_of(comparison, group)
    places = np.flatnonzero(~units["protected"])
    factors = units["log_bayes_factor"][places]
    known = ~np.isnan(factors)
    places, factors = places[known], factors[known]
    unit = nats_scale(ax, "y", factors)
    along_units(ax, units)
    side = side_panel(ax, _SIDE)
    side.sharey(ax)
    look: dict[str, Any] = {"markersize": 2 if len(units) <= LARGE else 1, "rasterized": len(units) > LARGE}
    ordered = np.sort(factors)[::-1]
    _bands(ax)  # they run on behind the sorted ones
    for panel, where, values in ((ax, places, factors), (side, np.arange(len(ordered)), ordered)):
        for colour, chosen in ((BLUE, values >= 0), (ORANGE, values < 0)):
            finite = chosen & np.isfinite(values)
            panel.plot(where[finite], values[finite], "o", color=colour, markeredgewidth=0, **look)
        mark_infinite(panel, where, values, color="black", markersize=3)
    ax.set_ylabel(f"log Bayes factor\n({unit})")
    ax.set_title(f"{units.title} ({units.reading}, {units.method})")
    side.set(xlim=(-0.5, max(len(ordered), 1) - 0.5), xlabel="rank", xticks=[])
    side.annotate("sorted", (1, 1), (-2, -2), "axes fraction", "offset points", ha="right", va="top", fontsize=7)
    side.tick_params(labelleft=False)
    side.patch.set_visible(False)
    if not len(factors):
        ax.text(0.5, 0.8, "no Bayes factors", transform=ax.transAxes, ha="center")
    return ax


def _bands(ax: Axes) -> None:
    ends = [0.0, *GRADES.values()]
    for shade, (low, high) in zip((0.4, 0.25, 0.12), pairwise(ends), strict=True):
        for sign in (1, -1):
            ax.axhspan(*sorted((sign * low, sign * high)), color=GREY, alpha=shade, linewidth=0, zorder=0)
    ax.axhline(0, color="black", linewidth=0.5, zorder=0.6)
