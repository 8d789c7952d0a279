"""The law of the width before and after the data."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bayes_guided.comparison import Comparison

from .style import LARGE, POSTERIOR, PRIOR, axes_or_new, short, styled
from .units import one_fit, units_of

_FAR = 1e-4
"""Tails below this part of a law's highest probability are outside the view."""
_UNEQUAL = 8.0
"""Laws whose highest probabilities are this factor apart are drawn on a logarithmic axis, where both show."""


@styled
def width_law(comparison: Comparison, group: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Probabilities of every number of units present in a group, or in all groups together, before and after the data.

    The dotted line is the width of the model that the fit chooses, which is also that of a refit. In the reading "map" there
    is no posterior law and that line stands alone beside the prior's.

    How to read it: the step from the one law to the other is what the data said of the size. The axis shows the widths that
    have some probability; its label says of how many. Warning signs: a posterior law on top of the prior's, where the data
    said nothing; a model outside both, whose threshold or optimiser has another opinion than the posterior; a prior law at one
    end, where the strength has decided.

    Raises:
        ComparisonError: if several fits stand side by side, or there is no such group.
    """
    ax = axes_or_new(ax, 1.9)
    units = units_of(comparison, group)
    laws, model = _laws(comparison, group, is_point=units.reading == "map")
    low, high = _view(laws, model)
    edges = np.arange(low, high + 2) - 0.5
    for (label, pmf), colour in zip(laws.items(), (PRIOR, POSTERIOR), strict=False):
        many = high - low > LARGE
        # Bars narrower than a pixel need an edge to be seen.
        steps = ax.stairs(pmf[low : high + 1], edges, fill=True, color=colour, alpha=0.55, linewidth=0.4 * many, label=label)
        steps.set_rasterized(many)
    tops = [float(pmf.max()) for pmf in laws.values()]
    if max(tops) > _UNEQUAL * min(tops):
        # The legend needs room above, which a logarithmic axis counts in decades.
        ax.set(yscale="log", ylim=(_FAR * min(tops), 300 * max(tops)))
    else:
        ax.set_ylim(0, 1.65 * max(tops))
        ax.set_yticks([tick for tick in MaxNLocator(4).tick_values(0, max(tops)) if tick <= 1.1 * max(tops)])
    ax.axvline(model, ymax=0.65, color="black", linestyle=":", label=f"model: {model:,}")
    ax.set(xlim=(edges[0], edges[-1]), ylabel=f"probability\n({units.prior_reading})")
    ax.set_xlabel(f"units present, of {len(units):,} (count)")
    ax.set_title("all groups" if group is None else short(group, 32))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(loc="upper left", ncols=2)
    return ax


def _laws(comparison: Comparison, group: str | None, *, is_point: bool) -> tuple[dict[str, NDArray[np.float64]], int]:
    """The laws that there are, and the model's width."""
    dataset = one_fit(comparison)
    name, model = ("size_pmf", "model_size") if group is None else ("width_pmf", "model_width")
    part = dataset if group is None else dataset.sel(group=group)
    laws = {side: part[f"{side}_{name}"].values for side in ("prior", "posterior")}
    if is_point or np.isnan(laws["posterior"]).all():
        del laws["posterior"]
    return {side: pmf[~np.isnan(pmf)] for side, pmf in laws.items()}, int(part[model])


def _view(laws: dict[str, NDArray[np.float64]], model: int) -> tuple[int, int]:
    """Smallest and largest width on the axis: a width of its own at either end."""
    shown = [place for pmf in laws.values() for place in np.flatnonzero(pmf >= _FAR * pmf.max()).tolist()]
    most = max(len(pmf) for pmf in laws.values()) - 1
    return max(min(*shown, model) - 1, 0), max(min(max(*shown, model) + 1, most), 1)
