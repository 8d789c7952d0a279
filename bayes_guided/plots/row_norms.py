"""The size of every row of one group."""

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .style import BLUE, ORANGE, axes_or_new, short, styled


@styled
def row_norms(norms: Float[Tensor, "units"], *, group: str, ax: Axes | None = None) -> Axes:
    """The Euclidean norm of each row by unit index; rows that are exactly zero are marked on the zero line.

    How to read it: a gap between the zeros and the smallest norm above them says that the choice of units is clear. A warning
    sign is a cloud of norms just above zero: the fit has not converged, or the units' fate hangs on the last epochs.
    """
    ax = axes_or_new(ax, 1.8)
    is_zero = norms == 0
    kept, gone = torch.nonzero(~is_zero).flatten().tolist(), torch.nonzero(is_zero).flatten().tolist()
    ax.plot(kept, norms[~is_zero].tolist(), "o", color=BLUE, markersize=2.5, label=f"kept ({len(kept)})")
    ax.plot(gone, [0.0] * len(gone), "|", color=ORANGE, markersize=5, markeredgewidth=0.5, label=f"zero ({len(gone)})")
    top = float(norms.max()) or 1.0
    # Room below for the marks of the zeros, and above for the legend.
    ax.set(xlim=(-0.5, len(norms) - 0.5), ylim=(-0.06 * top, 1.35 * top))
    ax.set(xlabel="unit index", ylabel=r"row norm $\|w_u\|_2$" + "\n(weight units)", title=short(group, 32))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(loc="upper right", ncols=2)
    return ax
