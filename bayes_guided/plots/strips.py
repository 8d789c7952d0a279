"""Strips along the units of a group, above the main axes of a plot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .style import BLUE, GREY, LIGHT


def guidance_strip(strip: Axes, guidance: NDArray[np.generic]) -> None:
    """Guidance coefficients as steps."""
    edges = np.arange(len(guidance) + 1) - 0.5
    strip.stairs(guidance, edges, fill=True, color=GREY, linewidth=0)
    strip.set(ylim=(0, float(guidance.max()) or 1.0), ylabel="$g_u$")
    strip.yaxis.set_major_locator(MaxNLocator(2))
    strip.tick_params(bottom=False, labelbottom=False)
    strip.spines["bottom"].set_visible(False)
    # Inside the strip's upper left corner, which rising guidance leaves free.
    strip.annotate("guidance (no unit)", (0, 1), (3, 1), "axes fraction", "offset points", va="top", fontsize=7)


def kept_strip(strip: Axes, kept: NDArray[np.generic]) -> None:
    """Units that a MAP kept, as bars."""
    strip.set_facecolor(LIGHT)
    edges = np.arange(len(kept) + 1) - 0.5
    strip.stairs(kept.astype(float), edges, fill=True, color=BLUE, linewidth=0)
    strip.set(ylim=(0, 1), yticks=[])
    strip.set_title(f"kept by the MAP: {int(kept.sum()):,} of {len(kept):,} units", fontsize=7, pad=2)
    strip.tick_params(bottom=False, labelbottom=False)
    strip.spines[:].set_visible(False)
