"""The figures of a run."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided import plots
from bayes_guided.comparison import Comparison
from bayes_guided.infer import Fit

from .handover import refit_of

FEW_GROUPS = 4
"""Up to so many groups have panels of their own; of more, all are in one."""


def draw_figures(fit: Fit, comparison: Comparison, folder: Path) -> list[Path]:
    """Draws the figures of a run, each as PNG and PDF, and returns their files.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    figures = figures_of(fit, comparison)
    return [path for name, figure in figures.items() for path in plots.save(figure, folder, name)]


def figures_of(fit: Fit, comparison: Comparison) -> dict[str, Figure]:
    """The figures that make sense for a fit, by name, in the order in which to read them.

    A deep network has one heat map of survivals instead of a panel per group. Bayes factors and log odds are there where the
    comparison has any, training curves where the method trains.
    """
    groups = comparison.groups
    figures = {"unit_survival": _per_group(plots.unit_survival, comparison, 2.4)} if len(groups) <= FEW_GROUPS else {}
    if len(groups) > FEW_GROUPS:
        figures["survival_heatmap"] = _figure(plots.survival_heatmap(comparison))
    figures["width_law"] = _width_laws(comparison)
    if bool(comparison.dataset["log_bayes_factor"].notnull().any()):
        figures["bayes_factors"] = _figure(plots.bayes_factors(comparison))
        figures["prior_posterior_scatter"] = _figure(plots.prior_posterior_scatter(comparison))
    norms = plots.row_norms
    figures["row_norms"] = _per_group(norms, comparison, 1.7) if len(groups) <= FEW_GROUPS else _figure(norms(comparison))
    if len(fit.history):
        figures["training"] = _training(fit)
    figures["architecture"] = _figure(plots.architecture(fit.sub_architecture()))
    return figures


def _per_group(draw: Callable[..., Axes], comparison: Comparison, height: float) -> Figure:
    figure, axes = plots.panels(len(comparison.groups), height=height)
    for group, ax in zip(comparison.groups, axes, strict=True):
        draw(comparison, group, ax=ax)
    return figure


def _width_laws(comparison: Comparison) -> Figure:
    """A panel per group of a few, and one for all groups together where there are several."""
    groups = comparison.groups
    names = [None] if len(groups) > FEW_GROUPS else [*groups, None] if len(groups) > 1 else groups
    figure, axes = plots.panels(len(names), height=1.9)
    for name, ax in zip(names, axes, strict=True):
        plots.width_law(comparison, name, ax=ax)
    return figure


def _training(fit: Fit) -> Figure:
    quantities = ("loss", "error", "units") if fit.history.widths else ("loss", "error")
    figure, axes = plots.panels(len(quantities), height=1.5)
    refit = refit_of(fit)
    for quantity, ax in zip(quantities, axes, strict=True):
        plots.training(fit.history, quantity, refit=refit and refit.history, error_name=fit.likelihood.error_name, ax=ax)
    return figure


def _figure(ax: Axes) -> Figure:
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure
