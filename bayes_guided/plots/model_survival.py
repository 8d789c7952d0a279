"""How probable each unit of one group is under a prior over models."""

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .strips import guidance_strip
from .style import ORANGE, axes_or_new, short, styled


@styled
def model_survival(
    survival: Float[Tensor, "units"],
    guidance: Float[Tensor, "units"] | None = None,
    *,
    group: str,
    reading: str = "inclusion",
    ax: Axes | None = None,
) -> Axes:
    """Along the unit index: the profile of the guidance, where there is one (top strip), and P(unit present) (main axes).

    How to read it: the line falls where guidance rises; the area under it is the mean width. A level line says that the
    prior is about how many units there are and not about which. Warning signs: a line at 1 or 0 everywhere, where the prior
    has decided before any data.

    Returns:
        The main axes; the strip is its child.
    """
    ax = axes_or_new(ax, 2.0)
    values = survival.tolist()
    ax.fill_between(range(len(values)), values, color=ORANGE, alpha=0.25, linewidth=0)
    # A single unit has no line.
    ax.plot(range(len(values)), values, color=ORANGE, marker="o" if len(values) == 1 else None)
    ax.set(xlim=(-0.5, len(values) - 0.5), ylim=(-0.04, 1.04), yticks=(0, 0.5, 1))
    ax.set_xlabel("unit index")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ends = dict.fromkeys((f"{max(values):.3g}", f"{min(values):.3g}"))
    ax.set_title(f"{short(group, 32)}\nsurvival {' to '.join(ends)}")
    if guidance is None:
        ax.set_ylabel(f"prior survival\n(fraction, {reading})")
        return ax
    # The strip lies inside the axes, above the range of the fractions: no layout can cut it off.
    ax.set_ylim(-0.04, 1.55)
    ax.spines["left"].set_bounds(0, 1)
    ax.set_ylabel(f"prior survival\n(fraction, {reading})", y=0.33)
    guidance_strip(ax.inset_axes((0, 0.73, 1, 0.27), sharex=ax), guidance.numpy())
    return ax
