"""A second panel to the right of what a plot shows, inside its axes, so that no layout can cut it off."""

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator


def side_panel(ax: Axes, part: float, *, gap: float = 0.04) -> Axes:
    """Narrows what the axes show, whose limits and ticks are set, and returns axes in the `part` of the width that is free."""
    low, high = ax.get_xlim()
    kept = 1 - part - gap
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    labels = ax.get_xticklabels() if isinstance(ax.xaxis.get_major_locator(), FixedLocator) else None
    ax.set_xlim(low, low + (high - low) / kept)
    ax.set_xticks(ticks, labels=None if labels is None else [label.get_text() for label in labels])
    ax.spines["bottom"].set_bounds(low, high)
    ax.set_xlabel(ax.get_xlabel(), x=kept / 2)
    return ax.inset_axes((1 - part, 0, part, 1))
