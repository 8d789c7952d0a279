"""Test error against MACs, one panel a network: means over seeds large, seeds small."""

from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from bayes_guided.plots.style import PAGE_WIDTH, styled
from experiments.cases import Row

from .tables import NAMES, NETWORKS, points, targets

LOOKS: dict[str, dict[str, Any]] = {
    "magnitude": {"color": "#7A7A7A", "marker": "s"},
    "group_norm": {"color": "#E69F00", "marker": "^"},
    "bn_scale": {"color": "#009E73", "marker": "v"},
    "group_lasso": {"color": "#56B4E9", "marker": "D"},
    "l0": {"color": "#CC79A7", "marker": "P"},
    "guided": {"color": "#0072B2", "marker": "o"},
}


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png."""
    networks = [network for network in NETWORKS if any(row["network"] == network for row in rows)]
    figure = Figure(figsize=(PAGE_WIDTH, 3.0), dpi=200, layout="constrained")
    axes = figure.subplots(1, len(networks), squeeze=False)[0]
    for ax, network in zip(axes, networks, strict=True):
        panel(rows, network, ax)
    axes[0].set_ylabel("test error")
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    names = [NAMES[method] for method in NAMES if NAMES[method] in handles]
    figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(folder / "figure.png", metadata={"Software": None})


def panel(rows: list[Row], network: str, ax: Axes) -> Axes:
    """One network: lines join the targets of a method; the dashed line is the dense network."""
    for method, look in LOOKS.items():
        found = [list(points(rows, network, method, target).values()) for target in targets(rows, network)]
        found = [some for some in found if some]
        if not found:
            continue
        for point in (point for some in found for point in some):
            ax.plot(point["share_of_macs"], point["error"], markersize=2, alpha=0.6, linestyle="", **look)
        middles = [(mean(p["share_of_macs"] for p in some), mean(p["error"] for p in some)) for some in found]
        ax.plot(*zip(*middles, strict=True), markersize=4.5, linewidth=0.7, label=NAMES[method], **look)
    if dense := points(rows, network, "dense", 1.0).values():
        level = mean(point["error"] for point in dense)
        ax.axhline(level, color="#7A7A7A", linestyle="--", linewidth=0.7, zorder=0, label=NAMES["dense"])
    ax.set(title=NETWORKS[network], xlabel="MACs of the dense")
    ax.xaxis.set_major_locator(MultipleLocator(0.05))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(top=min(ax.get_ylim()[1], 0.45))
    return ax
