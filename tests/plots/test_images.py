"""Every plot looks as it did: images against baselines, made anew by `pytest tests/plots/test_images.py --mpl-generate-path`.

That the data are right is tested beside each plot; this catches a restyle that nobody looked at.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bayes_guided as bg
from bayes_guided import plots
from bayes_guided.infer import Epoch, History
from bayes_guided.priors import CountLaw
from tests.plots import curves
from tests.plots.checks import figure_of
from tests.plots.comparisons import made_up

STYLE = str(Path(plots.__file__).parent / "paper.mplstyle")
DOTS_PER_INCH = 60
TOLERANCE = 10
"""Root mean square difference of grey levels, of 255: what other versions of the font rasteriser make is below."""

TWO = made_up({"layers.0": 40, "layers.1": 24})
MAP = made_up({"layers.0": 40, "layers.1": 24}, reading="map")
DEEP = made_up({f"blocks.{place}.conv1": 16 * (1 + place // 3) for place in range(9)})


def _history() -> History:
    epochs = [Epoch(5 / n + 0.3, 2 / n, 0.5 / n, {"layers.0": 64 - 4 * n, "layers.1": 32 - n}, 0.6 / n) for n in range(1, 10)]
    return History(tuple(epochs))


def _architecture() -> Axes:
    whole = bg.Architecture.from_module(bg.nets.mlp(5, [40, 30], outputs=3), torch.zeros(2, 5))
    return plots.architecture(whole.sub_architecture({"layers.0": torch.arange(40) < 7}))


PLOTS: dict[str, Callable[[], Axes]] = {
    "unit_survival": lambda: plots.unit_survival(TWO, "layers.0"),
    "unit_survival_all": lambda: plots.unit_survival(TWO),
    "unit_survival_map": lambda: plots.unit_survival(MAP, "layers.0"),
    "width_law": lambda: plots.width_law(TWO, "layers.0"),
    "bayes_factors": lambda: plots.bayes_factors(TWO),
    "prior_posterior_scatter": lambda: plots.prior_posterior_scatter(TWO),
    "survival_heatmap": lambda: plots.survival_heatmap(DEEP),
    "row_norms": lambda: plots.row_norms(MAP, "layers.0"),
    "occam_curve": lambda: plots.occam_curve(curves.occam([1, 2, 3, 5, 8, 13])),
    "readings": lambda: plots.readings(curves.readings(), "log_odds"),
    "regularisation_path": lambda: plots.regularisation_path([curves.path("a"), curves.path("b", 1.0)], "evidence"),
    "calibration": lambda: plots.calibration(curves.calibration()),
    "training": lambda: plots.training(_history(), "units"),
    "architecture": _architecture,
    "model_survival": lambda: plots.model_survival(torch.linspace(1, 0, 30), torch.linspace(0, 2, 30), group="layers.0"),
    "model_width": lambda: plots.model_width(
        CountLaw(torch.softmax(-((torch.arange(31) - 9.0) ** 2) / 8, 0)), name="layers.0"
    ),
}


def test_every_plot_has_an_image() -> None:
    drawing = {name for name in vars(plots) if callable(getattr(plots, name))} - {"panels", "save"}
    assert drawing <= set(PLOTS)
    assert {path.stem.removeprefix("test_image_") for path in (Path(__file__).parent / "baseline").glob("*.png")} == set(PLOTS)


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.mpl_image_compare(
    baseline_dir="baseline", style=STYLE, tolerance=TOLERANCE, savefig_kwargs={"dpi": DOTS_PER_INCH}, deterministic=True
)
def test_image(name: str) -> Figure:
    return figure_of(PLOTS[name]())
