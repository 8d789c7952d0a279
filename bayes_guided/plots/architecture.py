"""The network before and after."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayes_guided.architecture import SubArchitecture

from .style import BLUE, LIGHT, axes_or_new, short, styled


@styled
def architecture(sub: SubArchitecture, *, ax: Axes | None = None) -> Axes:
    """Widths of every group before (light) and after (dark), in network order from top to bottom, with what they cost.

    How to read it: the dark part is the network that `reduce` hands over. A warning sign is a group of one unit: it is the
    least that is left of a group that vanished, or a bottleneck.
    """
    groups = sub.architecture.groups
    ax = axes_or_new(ax, 0.9 + 0.2 * len(groups))
    full = sub.architecture.full()
    names = [group.name for group in groups]
    before, after = ([part.widths[name] for name in names] for part in (full, sub))
    places = range(len(names))
    ax.barh(places, before, height=0.8, color=LIGHT, label="before")
    ax.barh(places, after, height=0.8, color=BLUE, label="after")
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        ax.annotate(f"{new} of {old}", (old, place), (3, 0), textcoords="offset points", va="center", fontsize=7)
    ax.set(
        yticks=places,
        yticklabels=[short(name) for name in names],
        xlabel="units (count)",
        ylabel="group",
        xlim=(0, 1.25 * max(before)),
    )
    ax.set_title(f"parameters {full.num_parameters:,} → {sub.num_parameters:,}\nMACs per sample {full.macs:,} → {sub.macs:,}")
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.tick_params(axis="y", length=0)
    return ax
