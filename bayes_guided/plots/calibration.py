"""Simulation-based calibration: ranks of the true width, and z of every unit."""

import numpy as np
from matplotlib.axes import Axes

from bayes_guided.analysis.sbc import LARGEST_Z, CalibrationTable

from .side_panel import side_panel
from .style import BLUE, GREY, ORANGE, axes_or_new, short, styled


@styled
def calibration(table: CalibrationTable, *, ax: Axes | None = None) -> Axes:
    """Left, the distribution of the true width's rank in each posterior; right, z of every unit (points) and of the width.

    Ranks of an exact method are uniform: their curve stays in the grey band around the diagonal with probability 99 %. Its z
    are standard normal, between the dashed lines at -3 and 3.

    How to read it: a curve above the diagonal says that the true width is often smaller than the method believes, below that
    it is larger; an S that is steep in the middle says that the posterior is too wide, steep at the ends that it is too
    narrow. z above 0 says that the method believes too little in a unit. A warning sign is any curve or point outside:
    the method is an approximation, and is to be called one.

    Returns:
        The axes of the ranks; those of z are their child.
    """
    ax = axes_or_new(ax, 2.2)
    band = table.rank_band
    line = np.array([0.0, band, 1 - band, 1.0])
    ax.fill_between(line, (line - band).clip(0), (line + band).clip(max=1), color=GREY, alpha=0.25, linewidth=0)
    ax.plot(line, line, color=GREY, linewidth=0.6)
    ax.ecdf(table.ranks.numpy(), color=BLUE)
    ax.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, 1), xlabel="rank of true width (fraction)")
    ax.set_ylabel("data sets below\n(fraction)")
    verdict = "passed" if table.passed else "not passed"
    ax.set_title(f"{short(table.name, 24)}: {verdict}, {table.data_sets:,} data sets\nKS p = {table.ks_p:.2g}")
    _draw_z(side_panel(ax, 0.3, gap=0.22), table)
    return ax


def _draw_z(ax: Axes, table: CalibrationTable) -> None:
    for level in (-LARGEST_Z, LARGEST_Z):
        ax.axhline(level, color=GREY, linestyle="--", linewidth=0.8)
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.plot(table.unit_z.numpy(), "o", color=BLUE, label="units")
    ax.plot([len(table.unit_z)], [table.z], "D", color=ORANGE, label="width")
    ax.set(xticks=[], xlabel="units, width", ylabel="z (standard errors)")
    top = 1.15 * max(LARGEST_Z + 1, table.largest_z, abs(table.z))
    ax.set_ylim(-top, top)
