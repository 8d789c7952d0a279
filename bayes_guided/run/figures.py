"""The figures of a run."""

from pathlib import Path

from matplotlib.figure import Figure

from bayes_guided import plots
from bayes_guided.comparison import Comparison
from bayes_guided.exceptions import NoDensityError, ReadingError
from bayes_guided.infer import Fit, MAPFit
from bayes_guided.priors.threshold_survival import GroupSurvival, kept_sizes, row_sizes, threshold_survival


def draw_figures(fit: Fit, comparison: Comparison, folder: Path) -> list[Path]:
    """Draws the figures of a run, each as PNG and PDF, and returns their files.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    figures = figures_of(fit, comparison)
    return [path for name, figure in figures.items() for path in plots.save(figure, folder, name)]


def figures_of(fit: Fit, comparison: Comparison) -> dict[str, Figure]:
    """The figures that make sense for the fit, by name."""
    del comparison
    figures = {"row_norms": _norms_figure(fit), "architecture": _architecture_figure(fit)}
    if len(fit.history):
        figures["training"] = _training_figure(fit)
    if isinstance(fit, MAPFit):
        figures["unit_survival"] = _survival_figure(fit)
    return figures


def group_survival(fit: MAPFit, name: str) -> GroupSurvival:
    """Prior and MAP of one group; the thresholds are the smallest, median and largest size that the MAP kept."""
    prior, rows = fit.prior.row_priors[name], fit.rows[name].cpu()
    thresholds = kept_sizes(row_sizes(prior, rows))
    try:
        survival = threshold_survival(prior, thresholds)
    except (ReadingError, NoDensityError):
        survival = None  # the figure says so
    return GroupSurvival(name, prior.guidance, thresholds, survival, (rows != 0).any(dim=1))


def _survival_figure(fit: MAPFit) -> Figure:
    figure, axes = plots.panels(len(fit.architecture.groups), height=2.4)
    for group, ax in zip(fit.architecture.groups, axes, strict=True):
        plots.unit_survival(group_survival(fit, group.name), ax=ax)
    return figure


def _norms_figure(fit: Fit) -> Figure:
    figure, axes = plots.panels(len(fit.architecture.groups), height=1.7)
    for group, ax in zip(fit.architecture.groups, axes, strict=True):
        plots.row_norms(fit.rows[group.name].cpu().norm(dim=1), group=group.name, ax=ax)
    return figure


def _training_figure(fit: Fit) -> Figure:
    quantities = ("loss", "error", "units") if fit.history.widths else ("loss", "error")
    figure, axes = plots.panels(len(quantities), height=1.5)
    refit = fit.refit.history if isinstance(fit, MAPFit) and fit.refit is not None else None
    for quantity, ax in zip(quantities, axes, strict=True):
        plots.training(fit.history, quantity, refit=refit, error_name=fit.likelihood.error_name, ax=ax)
    return figure


def _architecture_figure(fit: Fit) -> Figure:
    ax = plots.architecture(fit.sub_architecture())
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure
