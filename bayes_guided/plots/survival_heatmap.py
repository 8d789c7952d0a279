"""Survival of all units of all groups at once."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from bayes_guided.comparison import Comparison

from .style import axes_or_new, short, styled
from .units import units_of

_ROW = 0.26
"""Height of a group, inches."""
_MOST = 8.0
"""Height of the figure, inches; rows become lower where there are more groups than fit."""
_NAMED = 40
"""Of more groups only every second, third, ... is named."""


@styled
def survival_heatmap(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """P(unit present) of every unit: a row per group in network order, its upper half before, its lower half after the data.

    Every group is stretched to the full width, first unit left, so that narrow and wide layers can be read alike; its number
    of units stands beside its name. Where there are more units than pixels, neighbours are averaged. In the reading "map" the
    lower half is 1 for units that the MAP kept and 0 for others.

    How to read it: yellow is present, blue is absent; where the lower half differs from the upper one, the data have spoken.
    Rows that are blue from end to end are bottlenecks or gone. Warning signs: a yellow or blue sheet in both halves, where the
    prior has decided or the reading cannot tell (P10); one group unlike its neighbours, which is often a protected one.

    Raises:
        ComparisonError: if several fits stand side by side.
    """
    units = units_of(comparison, None)
    count = len(units.groups)
    ax = axes_or_new(ax, min(1.0 + _ROW * count, _MOST))
    rows = {side: units.dataset[f"{side}_survival"].transpose("group", "unit").values for side in ("prior", "posterior")}
    for place, size in enumerate(units.sizes):
        for side, top, bottom in (("prior", place - 0.42, place), ("posterior", place, place + 0.42)):
            strip = np.ma.masked_invalid(rows[side][place, :size])[None, :]
            ax.imshow(strip, extent=(0, 1, bottom, top), aspect="auto", vmin=0, vmax=1, cmap="cividis")
    step = -(-count // _NAMED)
    places = list(range(0, count, step))
    labels = [f"{short(units.groups[place], 14)} ({units.sizes[place]:,})" for place in places]
    ax.set(xlim=(0, 1), ylim=(count - 0.5, -0.5), yticks=places, yticklabels=labels, facecolor="white")
    ax.set(xlabel="place in the group (fraction of its units)", ylabel="group (units)")
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(f"above: prior ({units.prior_reading})\nbelow: posterior ({units.reading}, {units.method})")
    bar = ax.figure.colorbar(
        ScalarMappable(Normalize(0, 1), "cividis"),
        ax=ax,
        location="bottom",
        shrink=0.7,
        aspect=30,
        pad=0.02,
        ticks=(0, 0.5, 1),
    )
    bar.set_label("P(unit present) (fraction)")
    bar.outline.set_visible(False)
    return ax
