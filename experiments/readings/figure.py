"""Survival of every unit under each reading, one panel a strength, and the log odds that the curves near 1 hide."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from .compute import Config, Layer
from .tables import setting_name

COLUMN = 3.4
"""Width of a paper's column, inches."""
COLOURS = {"threshold": "#0072B2", "shrinkage": "#D55E00", "evidence": "#000000"}
"""Colour-blind safe [Okabe2008]; within a reading, line styles tell the numbers apart."""
WIDTHS = {"threshold": 1.1, "shrinkage": 2.2, "evidence": 0.9}
"""Points: a curve that lies on another shows at its sides."""
STYLES = ["-", (0, (4, 1.5)), (0, (1, 1.2))]
LINEAR = 10
"""Log odds, nats, up to which the axis of log odds is linear."""
RC: dict[Any, Any] = {"font.size": 7, "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False}


def draw(config: Config, path: Path) -> None:
    """Writes the figure; matplotlib's global settings stay as they are."""
    layer = Layer(config)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN, 6.4), dpi=300, layout="constrained")
        FigureCanvasAgg(figure)
        *panels, last = figure.subplots(
            len(config.strengths) + 1, 1, sharex=True, height_ratios=[*[1] * len(config.strengths), 1.7]
        )
        for axes, strength in zip(panels, config.strengths, strict=True):
            survival(layer, strength, axes)
        log_odds(layer, config.main_strength, last)
        handles, labels = last.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, handlelength=2.6)
        figure.savefig(path, metadata={"Software": None})


def survival(layer: Layer, strength: float, axes: Axes) -> Axes:
    """P(unit present) of every unit under each reading."""
    _curves(layer, strength, axes, lambda odds: torch.sigmoid(odds))
    axes.set(ylim=(-0.05, 1.08), yticks=[0, 0.5, 1], ylabel="P(unit present)\n(fraction)")
    axes.set_title(f"{layer.config.main_family}, strength {strength:g}", fontsize=7, loc="left")
    return axes


def log_odds(layer: Layer, strength: float, axes: Axes) -> Axes:
    """Log odds of every unit under each reading, linear near even odds and logarithmic beyond."""
    _curves(layer, strength, axes, lambda odds: odds)
    axes.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.set_ylabel(f"log odds of presence\n(nats, linear within ±{LINEAR})")
    axes.set_xlabel(
        f"unit u (index), pressed harder from left to right:\n{layer.config.guidance} guidance, "
        f"g = {float(layer.guidance[0]):.3f} to {float(layer.guidance[-1]):.3f}"
    )
    axes.set_title(f"{layer.config.main_family}, strength {strength:g}", fontsize=7, loc="left")
    return axes


def _curves(layer: Layer, strength: float, axes: Axes, shown: Callable[[Tensor], Tensor]) -> None:
    units = np.arange(1, layer.units + 1)
    seen = dict.fromkeys(COLOURS, 0)
    for setting in layer.config.settings:
        values = shown(layer.log_odds(layer.config.main_family, strength, setting)).numpy()
        style = STYLES[seen[setting.kind]]
        axes.plot(
            units,
            values,
            color=COLOURS[setting.kind],
            linestyle=style,
            linewidth=WIDTHS[setting.kind],
            label=setting_name(setting),
            zorder=3 - WIDTHS[setting.kind] / 10,
        )
        seen[setting.kind] += 1
    axes.set_xlim(1, layer.units)
