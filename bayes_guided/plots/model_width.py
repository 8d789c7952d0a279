"""How probable each width of a group, or size of a model, is under a prior over models."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayes_guided.priors import CountLaw

from .style import GREY, ORANGE, axes_or_new, short, styled

_FAR = 1e-4
"""Tails below this part of the highest probability are outside the view."""


@styled
def model_width(law: CountLaw, *, name: str, ax: Axes | None = None) -> Axes:
    """Probabilities of numbers of units, with the mean (line) and the range from the 5 % to the 95 % quantile (bar below).

    The axis shows the widths that have some probability; its label says of how many. `name` is the group's, or says that the
    law is that of all groups.

    How to read it: this is what the prior believes of the width before any data. Warning signs: all mass at one end, where
    the strength has decided; two humps, which few people mean.
    """
    ax = axes_or_new(ax, 1.7)
    pmf = law.pmf.tolist()
    top = max(pmf)
    shown = [count for count, probability in enumerate(pmf) if probability >= _FAR * top]
    # A width of its own at either end, and room for a law of one width.
    low, high = max(shown[0] - 1, 0), max(min(shown[-1] + 1, law.most), 1)
    edges = [count - 0.5 for count in range(low, high + 2)]
    ax.stairs(pmf[low : high + 1], edges, fill=True, color=ORANGE, alpha=0.6, linewidth=0)
    # Not up to the legend.
    ax.plot([law.mean] * 2, [-0.05 * top, top], color="black", linestyle=":", label=f"mean {law.mean:.4g}")
    lower, upper = law.quantile(0.05), law.quantile(0.95)
    ax.plot([lower - 0.5, upper + 0.5], [-0.05 * top] * 2, color=GREY, linewidth=2.5, label=f"5 to 95 %: {lower} to {upper}")
    ax.set(xlim=(edges[0], edges[-1]), ylim=(-0.1 * top, 1.6 * top), title=short(name, 32))
    ax.set(xlabel=f"units present, of {law.most} (count)", ylabel="prior\nprobability")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(loc="upper right")
    return ax
