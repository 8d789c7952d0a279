"""Guidance, prior survival and the MAP's units along one group."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayes_guided.priors.threshold_survival import GroupSurvival

from .strips import guidance_strip
from .style import BLUE, LIGHT, ORANGE, axes_or_new, short, styled


@styled
def unit_survival(group: GroupSurvival, *, ax: Axes | None = None) -> Axes:
    """Along the unit index: guidance (top strip), units that the MAP kept (middle strip), prior survival (main axes).

    How to read it: with rising guidance the kept units stand on the left. The line is the prior probability, in the reading
    "threshold", that a unit is larger than the middle threshold; the band runs from the lowest to the highest one, so a wide
    band says that the reading hangs on the threshold. Warning signs: a line at 1 everywhere, where the prior by itself does
    not favour smaller models although its MAP has exact zeros (P10); kept units scattered over the strip, where the data
    overruled the guidance.

    Returns:
        The main axes; the strips are its child axes, guidance first.
    """
    ax = axes_or_new(ax, 2.4)
    units = range(len(group.guidance))
    if group.prior is None or not len(group.thresholds):
        ax.text(0.5, 0.3, "no threshold reading\nfor this prior", transform=ax.transAxes, ha="center", va="center")
    else:
        _draw_prior(ax, group)
    # Strips inside the axes, above the range of the fractions: no layout can cut them off or let them overlap.
    ax.set(xlim=(-0.5, len(units) - 0.5), ylim=(-0.04, 2.1), yticks=(0, 0.5, 1))
    ax.spines["left"].set_bounds(0, 1)
    ax.set_xlabel("unit index")
    ax.set_ylabel("prior survival\n(fraction)", y=0.25)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    guidance_strip(ax.inset_axes((0, 0.82, 1, 0.18), sharex=ax), group.guidance)
    _draw_kept(ax.inset_axes((0, 0.58, 1, 0.08), sharex=ax), group)
    ax.set_title(short(group.group, 32))
    return ax


def _draw_prior(ax: Axes, group: GroupSurvival) -> None:
    assert group.prior is not None
    units, prior, thresholds = range(len(group.guidance)), group.prior.tolist(), group.thresholds.tolist()
    middle = len(thresholds) // 2
    if len(thresholds) > 1:
        label = f"size > {thresholds[0]:.2g} to {thresholds[-1]:.2g}"
        ax.fill_between(units, prior[-1], prior[0], color=ORANGE, alpha=0.25, linewidth=0, label=label)
    ax.plot(units, prior[middle], color=ORANGE, label=f"size > {thresholds[middle]:.2g}")
    ax.legend(loc="lower left", title="prior, threshold reading:", alignment="left")


def _draw_kept(strip: Axes, group: GroupSurvival) -> None:
    strip.set_facecolor(LIGHT)
    kept = group.alive.nonzero().flatten().tolist()
    strip.bar(kept, 1.0, width=1.0, color=BLUE, linewidth=0)
    strip.set(ylim=(0, 1), yticks=[])
    strip.set_title(f"kept by the MAP: {len(kept)} of {len(group.alive)} units", fontsize=7, pad=2)
    strip.tick_params(bottom=False, labelbottom=False)
    strip.spines[:].set_visible(False)
