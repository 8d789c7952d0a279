"""One guidance under all its readings."""

from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayes_guided.analysis.reading_curves import ReadingCurves

from .scales import nats_scale
from .style import BLUE, GREY, ORANGE, axes_or_new, short, styled

_LOOKS = {"threshold": (BLUE, 1.1), "shrinkage": (ORANGE, 2.4), "evidence": ("black", 1.1)}
"""Colours and widths in points: a curve that lies on another shows at its sides."""
_STYLES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))
"""Tell the numbers of one reading apart."""


@styled
def readings(curves: ReadingCurves, quantity: Literal["survival", "log_odds"] = "survival", *, ax: Axes | None = None) -> Axes:
    """P(unit present), or its log odds, along the units of a group under every reading that the prior has.

    How to read it: all curves belong to one and the same guidance; where they differ, "the prior survival" without the name of
    its reading means nothing. The log odds show what probabilities near 1 hide. Warning signs: a threshold's curve at 1 for
    every unit, where the continuous prior puts no mass on smaller models (P10); shrinkage and evidence far apart at one
    curvature, where a statement about the model hangs on the choice between them.
    """
    ax = axes_or_new(ax, 2.2)
    values = (curves.survival if quantity == "survival" else curves.log_odds).numpy()
    seen = dict.fromkeys(_LOOKS, 0)
    for reading, label, line in zip(curves.readings, curves.labels, values, strict=True):
        colour, width = _LOOKS[reading]
        style = _STYLES[seen[reading] % len(_STYLES)]
        ax.plot(line, color=colour, linewidth=width, linestyle=style, label=label, zorder=3 - width / 10)
        seen[reading] += 1
    if quantity == "survival":
        ax.set(ylim=(-0.04, 1.06), yticks=(0, 0.5, 1), ylabel="prior survival\n(fraction)")
    else:
        ax.set_ylabel(f"prior log odds\n({nats_scale(ax, 'y', values)})")
        ax.axhline(0, color=GREY, linewidth=0.4, zorder=0.5)
    ax.set(xlim=(-0.5, values.shape[1] - 0.5), xlabel=f"unit index, {short(curves.group)}")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return ax
