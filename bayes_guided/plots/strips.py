"""Strips along the units of a group, above the main axes of a plot."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .style import BLUE, GREY, LARGE, LIGHT


def guidance_strip(strip: Axes, guidance: NDArray[Any]) -> None:
    """Guidance coefficients as steps."""
    edges = np.arange(len(guidance) + 1) - 0.5
    steps = strip.stairs(guidance, edges, fill=True, color=GREY, linewidth=0)
    steps.set_rasterized(len(guidance) > LARGE)
    top = float(guidance.max()) or 1.0
    # The label stands in the upper left corner, which rising guidance leaves free; other guidance stays below it.
    is_rising = bool(guidance[: -(-len(guidance) // 2)].max() <= top / 2)
    strip.set(ylim=(0, top if is_rising else 1.8 * top), ylabel="$g_u$")
    strip.set_yticks([0, top], ["0", f"{top:.2g}"])
    strip.tick_params(bottom=False, labelbottom=False)
    strip.spines["bottom"].set_visible(False)
    strip.annotate("guidance (no unit)", (0, 1), (3, 1), "axes fraction", "offset points", va="top", fontsize=7)


def kept_strip(strip: Axes, kept: NDArray[Any]) -> None:
    """Units that a MAP kept, as bars."""
    strip.set_facecolor(LIGHT)
    edges = np.arange(len(kept) + 1) - 0.5
    steps = strip.stairs(kept.astype(float), edges, fill=True, color=BLUE, linewidth=0)
    steps.set_rasterized(len(kept) > LARGE)
    strip.set(ylim=(0, 1), yticks=[])
    strip.set_title(f"kept by the MAP: {int(kept.sum()):,} of {len(kept):,} units", fontsize=7, pad=2)
    strip.tick_params(bottom=False, labelbottom=False)
    strip.spines[:].set_visible(False)
