"""The size of every row."""

import numpy as np
from matplotlib.axes import Axes

from bayes_guided.comparison import Comparison

from .style import BLUE, LARGE, ORANGE, axes_or_new, styled
from .units import along_units, units_of


@styled
def row_norms(comparison: Comparison, group: str | None = None, *, ax: Axes | None = None) -> Axes:
    """The Euclidean norm of each unit's row at the fit's representative weights; exact zeros are marked on the zero line.

    The units are those of one group, or of all groups end to end.

    How to read it: a gap between the zeros and the smallest norm above them says that the choice of units is clear. A warning
    sign is a cloud of norms just above zero: the fit has not converged, or the units' fate hangs on the last epochs.

    Raises:
        ComparisonError: if several fits stand side by side, or there is no such group.
    """
    ax = axes_or_new(ax, 1.8)
    units = units_of(comparison, group)
    norms = units["row_norm"]
    kept, gone = np.flatnonzero(norms != 0), np.flatnonzero(norms == 0)
    many = len(units) > LARGE
    size, thickness = (1.2, 0.3) if many else (2.5, 0.5)
    ax.plot(kept, norms[kept], "o", color=BLUE, ms=size, mew=0, label=f"not zero ({len(kept):,})", rasterized=many)
    zeros = np.zeros(len(gone))
    ax.plot(gone, zeros, "|", color=ORANGE, ms=5, mew=thickness, label=f"zero ({len(gone):,})", rasterized=many)
    top = float(norms.max()) or 1.0
    along_units(ax, units)
    # Room below for the marks of the zeros, and above for the legend.
    ax.set(ylim=(-0.06 * top, 1.35 * top), ylabel=r"row norm $\|w_u\|_2$" + "\n(weight units)", title=units.title)
    ax.legend(loc="upper right", ncols=2, markerscale=2 if many else 1)
    return ax
