"""Strips along the units of a group, above the main axes of a plot."""

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .style import GREY


def guidance_strip(strip: Axes, guidance: Float[Tensor, "units"]) -> None:
    """Guidance coefficients as steps."""
    values = guidance.tolist()
    edges = [unit - 0.5 for unit in range(len(values) + 1)]
    strip.stairs(values, edges, fill=True, color=GREY, linewidth=0)
    strip.set(ylim=(0, max(values)), ylabel="$g_u$")
    strip.yaxis.set_major_locator(MaxNLocator(2))
    strip.tick_params(bottom=False, labelbottom=False)
    strip.spines["bottom"].set_visible(False)
    # Inside the strip's upper left corner, which rising guidance leaves free.
    strip.annotate("guidance (no unit)", (0, 1), (3, 1), "axes fraction", "offset points", va="top", fontsize=7)
