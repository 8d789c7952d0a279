"""Fit, Occam factor and prior against the size of the model: MacKay's picture."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayes_guided.analysis.occam import OccamCurve

from .scales import nats_scale
from .style import BLUE, GREEN, GREY, ORANGE, axes_or_new, styled

_BESIDE = 0.18
"""Units between the columns of points that belong to one size."""


@styled
def occam_curve(curve: OccamCurve, *, ax: Axes | None = None) -> Axes:
    """Log likelihood, log evidence, log prior and log posterior of models by their size, each less that of the best model.

    The best model (dotted line) is the most probable one after the data, and every curve is 0 there. Models of one path are
    joined; of several models of one size, such as the most probable ones of a prior, each is a point, and the four quantities
    stand side by side about the size.

    How to read it: the fit rises with size and the log evidence, which also pays for the model's flexibility, turns over; the
    gap that opens between the two is the Occam factor. The log posterior adds the prior. Warning signs: an evidence that rises
    to the right edge (larger models were not tried, or the approximation charges nothing for units) or falls from the left
    one; a maximum that is the prior's and not the evidence's; a flat top, where many sizes are as good.
    """
    ax = axes_or_new(ax, 2.4)
    shown = curve.against_best()
    columns = {
        "fit": (shown.fit, GREEN, "^"),
        "log evidence": (shown.log_evidence, BLUE, "o"),
        "log prior": (shown.log_prior, ORANGE, "s"),
        "log posterior": (shown.log_posterior, "black", "D"),
    }
    unit = nats_scale(ax, "y", np.concatenate([values.numpy() for values, _, _ in columns.values()]))
    sizes = shown.sizes.numpy()
    for place, (label, (values, colour, marker)) in enumerate(columns.items()):
        # Points of one size stand side by side.
        look: dict[str, Any] = {"linestyle": "-"} if shown.is_path else {"linestyle": "", "markersize": 2.5}
        where = sizes if shown.is_path else sizes + _BESIDE * (place - 1.5)
        ax.plot(where, values.numpy(), marker=marker, color=colour, label=label, **look)
    size = int(shown.sizes[curve.best])
    ax.axvline(size, color=GREY, linestyle=":", linewidth=1.0, zorder=0.5)
    is_left = size <= (sizes[0] + sizes[-1]) / 2
    best: dict[str, Any] = {"ha": "left" if is_left else "right", "fontsize": 7}
    ax.annotate(f"best: {size}", (size, 0), (2 if is_left else -2, 2), ax.get_xaxis_transform(), "offset points", **best)
    ax.axhline(0, color=GREY, linewidth=0.4, zorder=0.5)
    ax.set(xlabel="units of the model (count)", ylabel=f"against the best model\n({unit})")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return ax
