"""Test error against MACs, one panel a network: means over seeds large, seeds small."""

from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator, PercentFormatter

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
    figure = Figure(figsize=(PAGE_WIDTH, 3.0), layout="constrained")
    axes = figure.subplots(1, len(networks), squeeze=False)[0]
    for ax, network in zip(axes, networks, strict=True):
        panel(rows, network, ax)
    axes[0].set_ylabel("test error")
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    names = [NAMES[method] for method in NAMES if NAMES[method] in handles]
    figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(folder / "figure.png", dpi=170, metadata={"Software": None})


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
    ax.set(title=NETWORKS[network].split(" at ")[0], xlabel="MACs of the dense")
    ax.xaxis.set_major_locator(MultipleLocator(0.05))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_yscale("log")  # failures of 80 % beside networks a point apart
    ax.yaxis.set_major_locator(FixedLocator([0.03, 0.04, 0.05, 0.06, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 0.8]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return ax
