"""The gallery's figures, each from stored results."""

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bayes_guided as bg
from bayes_guided import plots
from bayes_guided.priors import CountLaw

from .storage import comparison, load


def _alone(ax: Axes) -> Figure:
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure


def _architecture() -> Figure:
    found = comparison("map")
    sizes = found.dataset["num_units"].values.tolist()
    whole = bg.Architecture.from_module(bg.nets.mlp(64, sizes, outputs=10), torch.zeros(2, 64))
    masks = {name: torch.from_numpy(found.dataset["in_model"].sel(group=name).values[:size])
             for name, size in zip(found.groups, sizes, strict=True)}  # fmt: skip
    return _alone(plots.architecture(whole.sub_architecture(masks)))


def _training() -> Figure:
    history = load("history")
    figure, axes = plots.panels(3, height=1.5)
    for quantity, ax in zip(("loss", "error", "units"), axes, strict=True):
        plots.training(history["fit"], quantity, refit=history["refit"], ax=ax)
    return figure


def _width_law() -> Figure:
    found = comparison("spike_and_slab")
    figure, axes = plots.panels(3, height=1.9)
    for group, ax in zip((*found.groups, None), axes, strict=True):
        plots.width_law(found, group, ax=ax)
    return figure


def _occam() -> Figure:
    curves = load("occam")
    figure, axes = plots.panels(2, height=2.3)
    for curve, ax in zip(curves.values(), axes, strict=True):
        plots.occam_curve(curve, ax=ax)
    return figure


def _readings() -> Figure:
    figure, axes = plots.panels(2, height=2.1)
    for quantity, ax in zip(("survival", "log_odds"), axes, strict=True):
        plots.readings(load("readings"), quantity, ax=ax)
    return figure


def _path() -> Figure:
    figure, axes = plots.panels(3, height=1.8)
    for quantity, ax in zip(("units", "error", "evidence"), axes, strict=True):
        plots.regularisation_path(load("path"), quantity, ax=ax)
    return figure


def _calibration() -> Figure:
    figure, axes = plots.panels(2, height=2.1)
    for table, ax in zip(load("calibration"), axes, strict=True):
        plots.calibration(table, ax=ax)
    return figure


def _model_survival() -> Figure:
    prior = load("prior")
    values = {name: torch.tensor(prior[name], dtype=torch.float64) for name in ("survival", "guidance")}
    return _alone(plots.model_survival(values["survival"], values["guidance"], group=prior["group"]))


def _model_width() -> Figure:
    prior = load("prior")
    return _alone(plots.model_width(CountLaw(torch.tensor(prior["pmf"], dtype=torch.float64)), name=prior["group"]))


PAGES: dict[str, Callable[[], Figure]] = {
    "unit_survival": lambda: _alone(plots.unit_survival(comparison("spike_and_slab"), "layers.0")),
    "unit_survival_chain": lambda: _alone(plots.unit_survival(comparison("chain"))),
    "unit_survival_map": lambda: _alone(plots.unit_survival(comparison("map"), "layers.0")),
    "width_law": _width_law,
    "occam_curve": _occam,
    "bayes_factors": lambda: _alone(plots.bayes_factors(comparison("spike_and_slab"))),
    "prior_posterior_scatter": lambda: _alone(plots.prior_posterior_scatter(comparison("spike_and_slab"))),
    "readings": _readings,
    "regularisation_path": _path,
    "survival_heatmap": lambda: _alone(plots.survival_heatmap(comparison("deep"))),
    "row_norms": lambda: _alone(plots.row_norms(comparison("map"))),
    "training": _training,
    "architecture": _architecture,
    "model_survival": _model_survival,
    "model_width": _model_width,
    "calibration": _calibration,
}
"""By name, in the order of the README."""
