"""Three figures: the exact laws of the width, MacKay's picture with what single units say, and MNIST."""

from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided.analysis.occam import OccamCurve
from bayes_guided.plots import occam_curve
from bayes_guided.plots.scales import nats_scale
from bayes_guided.plots.style import BLUE, GREY, ORANGE, PAGE_WIDTH, POSTERIOR, PRIOR, styled
from experiments.cases import Row

from .laws import KINDS, distinct, exact_means, mean_width, of_part, posterior_of, probabilities
from .model_priors import FAMILIES
from .tables import unit_log_bayes_factors

FACTORS: dict[float, tuple[str, str]] = {
    0.0: ("black", "no guidance"),
    1.0: ("#56B4E9", "guidance ×1"),
    10.0: (BLUE, "×10"),
    100.0: ("#CC79A7", "×100"),
}
LOOKS: dict[str, str] = {"needed": BLUE, "needless": ORANGE, "twins": "#009E73"}
FITS: dict[tuple[str, float], tuple[str, str]] = {
    ("independent", 1.0): (BLUE, "o"),
    ("tilted", 1.0): ("#009E73", "^"),
    ("nested", 1.0): (ORANGE, "s"),
    ("independent", 30.0): ("#CC79A7", "D"),
}
LAWS_AT = (10.0, "tilted", (3, 30, 300, 7700))
"""The prior and the N whose laws are drawn."""
CURVES_AT = (10.0, (10, 100, 800))
"""The nested prior and the N whose models are drawn."""


def draw(rows: list[Row], folder: Path) -> None:
    """Writes exact.png, occam.png and mnist.png."""
    exact = of_part(rows, "uci")
    _save(exact_figure(of_part(exact, "uci", data="power-plant")), folder / "exact.png")
    _save(occam_figure(exact), folder / "occam.png")
    if of_part(rows, "mnist"):
        _save(mnist_figure(rows), folder / "mnist.png")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=170, metadata={"Software": None})


@styled
def exact_figure(rows: list[Row]) -> Figure:
    """Expected widths against N by family of priors; below, laws of the width before and after the data."""
    figure = Figure(figsize=(PAGE_WIDTH, 4.5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))  # pyright: ignore[reportGeneralTypeIssues]
    axes = above.subplots(1, len(FAMILIES), sharey=True)
    for ax, family in zip(axes, FAMILIES, strict=True):
        widths_against_n(rows, family, ax)
    axes[0].set_ylabel("expected units (count)")
    handles, labels = axes[0].get_legend_handles_labels()
    above.legend(handles, labels, loc="outside upper center", ncols=4)
    factor, family, sizes = LAWS_AT
    for ax, n in zip(below.subplots(1, len(sizes), sharey=True), sizes, strict=True):
        laws(of_part(rows, "uci", n=n)[0], family, factor, ax)
        ax.set_title(f"{family} ×{factor:g}, N = {n:,}")
        if n == sizes[0]:
            ax.set_ylabel("probability")
            ax.legend(loc="upper right")
    return figure


def widths_against_n(rows: list[Row], family: str, ax: Axes) -> Axes:
    """Posterior expected width under each strength of guidance, mean and range over seeds; at the left edge the prior's."""
    sizes = sorted(distinct(rows, "n"))
    start = sizes[0] / 4
    for factor, (colour, label) in FACTORS.items():
        after = [exact_means(of_part(rows, "uci", n=n), family, factor) for n in sizes]
        before = mean_width(probabilities(posterior_of(rows[0], family, factor)["prior_log_width_law"]))
        ax.plot([start, sizes[0]], [before, mean(after[0])], color=colour, linestyle=":", linewidth=0.8)
        ax.plot(start, before, "<", color=colour, markersize=4, clip_on=False)
        ax.plot(sizes, [mean(values) for values in after], marker="o", color=colour, label=label)
        ax.fill_between(sizes, [min(v) for v in after], [max(v) for v in after], color=colour, alpha=0.15, linewidth=0)
    ticks = [start, *(n for n in sizes if n in (10, 100, 1000, 10000))]
    ax.set(xscale="log", title=family, xlabel="cases N", xlim=(start, 1.2 * sizes[-1]), ylim=(-0.3, 12.4))
    ax.set_xticks(ticks, ["prior", *(f"{n:,}" for n in ticks[1:])])
    ax.minorticks_off()
    return ax


def laws(row: Row, family: str, factor: float, ax: Axes) -> Axes:
    """The law of the width before the data, after, and after without any guidance."""
    found, free = posterior_of(row, family, factor), posterior_of(row, family, 0.0)
    before = probabilities(found["prior_log_width_law"])
    edges = [width - 0.5 for width in range(len(before) + 1)]
    ax.stairs(before, edges, fill=True, color=PRIOR, alpha=0.55, label="prior")
    ax.stairs(found["width_law"], edges, fill=True, color=POSTERIOR, alpha=0.55, label="posterior")
    ax.stairs(free["width_law"], edges, color="black", linewidth=0.9, label="no guidance")
    ax.set(xlabel="units (count)", xlim=(-0.5, len(before) - 0.5), ylim=(0, 1.05))
    return ax


@styled
def occam_figure(rows: list[Row]) -> Figure:
    """Occam curves of the nested path for growing N, and log Bayes factors of single units."""
    figure = Figure(figsize=(PAGE_WIDTH, 4.8), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    factor, sizes = CURVES_AT
    for place, n in enumerate(sizes):
        occam_curve(nested_curve(of_part(rows, "uci", data="concrete", n=n)[0], factor), ax=axes[place])
        axes[place].set_title(f"concrete, N = {n:,}")
        axes[place].get_legend().remove()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    bayes_factors(of_part(rows, "uci", data="power-plant"), axes[3])
    return figure


def nested_curve(row: Row, factor: float) -> OccamCurve:
    """The models with the first 0, 1, ... units under the nested prior."""
    log_prior = posterior_of(row, "nested", factor)["prior_log_width_law"]
    count = len(log_prior)
    columns = (torch.tensor(values, dtype=torch.float64) for values in (log_prior, row["path_fit"], row["path_log_occam"]))
    return OccamCurve(tuple(str(width) for width in range(count)), torch.arange(count), *columns)


def bayes_factors(rows: list[Row], ax: Axes) -> Axes:
    """Evidence for single units in the company of all others: medians and ranges over units and seeds."""
    sizes, drawn = sorted(distinct(rows, "n")), []
    for kind in KINDS:
        values = [unit_log_bayes_factors(of_part(rows, "uci", n=n), kind) for n in sizes]
        ax.plot(sizes, [median(here) for here in values], marker="o", color=LOOKS[kind], label=kind)
        low, high = [min(here) for here in values], [max(here) for here in values]
        ax.fill_between(sizes, low, high, color=LOOKS[kind], alpha=0.15, linewidth=0)
        drawn += [*low, *high]
    unit = nats_scale(ax, "y", torch.tensor(drawn).numpy())
    ax.axhline(0, color=GREY, linewidth=0.4, zorder=0.5)
    ax.set(xscale="log", xlabel="cases N", ylabel=f"log Bayes factor for a unit\n({unit})")
    ax.set_title("power-plant, units in the company of all others")
    ax.legend(loc="upper left")
    return ax


@styled
def mnist_figure(rows: list[Row]) -> Figure:
    """Widths, divergences from the prior and bounds of single widths."""
    figure = Figure(figsize=(PAGE_WIDTH, 2.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    fits, bounds = of_part(rows, "mnist"), of_part(rows, "bound")
    variational(fits, lambda row: mean_width(row["width_law"]), left)
    best_widths(bounds, left)
    left.axhline(
        mean_width(of_part(fits, "mnist", factor=1.0)[0]["prior_width_law"]), color=GREY, linestyle="--", linewidth=0.9
    )
    left.set(ylabel="expected units (count)", ylim=(0, None))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=5)
    variational(fits, lambda row: row["divergence"], middle)
    middle.set(ylabel="KL(q(m) || p(m)) (nats)", yscale="log")
    single_widths(bounds, right)
    return figure


def best_widths(rows: list[Row], ax: Axes) -> Axes:
    """The widths of the largest bounds."""
    found = [(n, max(of_part(rows, "bound", n=n), key=lambda row: row["bound"])["width"]) for n in distinct(rows, "n")]
    ax.plot(*zip(*found, strict=True), color="black", marker="*", linestyle=":", linewidth=0.8, label="best single width")
    return ax


def variational(rows: list[Row], value: Any, ax: Axes) -> Axes:
    """Means and ranges over seeds against N, by prior."""
    for (prior, factor), (colour, marker) in FITS.items():
        here = of_part(rows, "mnist", prior=prior, factor=factor)
        if not here:
            continue
        sizes = sorted(set(distinct(here, "n")))
        values = [[value(row) for row in of_part(here, "mnist", n=n)] for n in sizes]
        centre = [mean(each) for each in values]
        low = [c - min(v) for c, v in zip(centre, values, strict=True)]
        high = [max(v) - c for c, v in zip(centre, values, strict=True)]
        label = prior if factor == 1 else f"{prior} ×{factor:g}"
        ax.errorbar(sizes, centre, yerr=[low, high], color=colour, marker=marker, linewidth=0.9, elinewidth=0.7, label=label)
    ax.set(xscale="log", xlabel="training images N")
    return ax


def single_widths(rows: list[Row], ax: Axes) -> Axes:
    """Bounds on the evidence per case of networks of one width, less the best one's."""
    for n, colour in zip(distinct(rows, "n"), (GREY, "#56B4E9", BLUE, "black"), strict=False):
        here = of_part(rows, "bound", n=n)
        best = max(row["bound"] for row in here)
        widths, lost = zip(*((row["width"], (row["bound"] - best) / n) for row in here), strict=True)
        ax.plot(widths, lost, marker="o", color=colour, label=f"N = {n:,}")
    ax.set(
        xscale="log",
        xlabel="units of the network (count)",
        ylabel="bound against the best,\nper case (nats)",
        ylim=(-1.3, 0.05),
    )
    widths = sorted(set(distinct(rows, "width")))
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.minorticks_off()
    ax.legend(loc="center right", bbox_to_anchor=(1.0, 0.4))
    return ax
