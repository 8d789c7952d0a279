"""Prior and posterior survival along the units."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayes_guided.comparison import Comparison

from .strips import guidance_strip, kept_strip
from .style import LARGE, POSTERIOR, PRIOR, axes_or_new, styled
from .units import Units, along_units, units_of

_STRIP = 0.18
"""Part of the axes' height that the guidance takes."""
_POINTS: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 1.5, "markeredgewidth": 0}


@styled
def unit_survival(comparison: Comparison, group: str | None = None, *, ax: Axes | None = None) -> Axes:
    """P(unit present) before and after the data, with its interval where the fit has one, below the guidance (top strip).

    The units are those of one group, or of all groups end to end. In the reading "map", which is no probability, the units
    that the MAP kept stand in a strip of their own above the prior.

    How to read it: where the two lines part, the data have spoken; where they lie on one another, the posterior is the prior.
    Guidance presses harder where its strip is higher, and the prior falls there. Warning signs: both lines at 1, where neither
    believes in smaller models (typical of the reading "threshold", P10); a posterior that follows the prior everywhere;
    kept units scattered over the strip, where the data overruled the guidance.

    Returns:
        The main axes; the strips are its child axes, guidance first.

    Raises:
        ComparisonError: if several fits stand side by side, or there is no such group.
    """
    ax = axes_or_new(ax, 2.4)
    units = units_of(comparison, group)
    is_point = units.reading == "map"
    # A single unit has no line; above the posterior's points the line stays visible.
    _draw_line(ax, units, "prior_survival", PRIOR, "prior", zorder=2.5, **(_POINTS if len(units) == 1 else {}))
    if not is_point:
        _draw_posterior(ax, units)
    along_units(ax, units)
    # Strips inside the axes, above the range of the fractions: no layout can cut them off or let them overlap.
    entries = len(ax.get_legend_handles_labels()[0])
    top = 2.1 if is_point else 1.75 if entries < 3 else 2.0
    ax.set(ylim=(-0.04, top), yticks=(0, 0.5, 1))
    ax.spines["left"].set_bounds(0, 1)
    reading = units.prior_reading if is_point else units.reading
    ax.set_ylabel(f"survival\n(fraction, {reading})", y=0.5 / top)
    guidance_strip(ax.inset_axes((0, 1 - _STRIP, 1, _STRIP), sharex=ax), units["guidance"])
    if is_point:
        kept_strip(ax.inset_axes((0, 0.6, 1, 0.07), sharex=ax), units["in_model"])
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.05 / top), bbox_transform=ax.transAxes, ncols=2, borderaxespad=0)
    ax.set_title(units.title if is_point else f"{units.title} ({units.method})")
    return ax


def _draw_posterior(ax: Axes, units: Units) -> None:
    # Neighbouring units may well go opposite ways: steps, and points where there are more units than pixels.
    look = {"drawstyle": "steps-mid"} if 1 < len(units) <= LARGE else _POINTS
    _draw_line(ax, units, "posterior_survival", POSTERIOR, "posterior", **look)
    lower, upper = units["posterior_lower"], units["posterior_upper"]
    if not np.isnan(lower).all():
        label = f"{100 * units.dataset.attrs['level']:g} %"
        places = np.arange(len(units))
        band = ax.fill_between(places, lower, upper, step="mid", color=POSTERIOR, alpha=0.25, linewidth=0, label=label)
        band.set_rasterized(len(units) > LARGE)


def _draw_line(ax: Axes, units: Units, variable: str, colour: str, label: str, **look: Any) -> None:
    ax.plot(units[variable], color=colour, label=label, rasterized=len(units) > LARGE, **look)
