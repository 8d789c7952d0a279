"""The figures of a run."""

from pathlib import Path

from matplotlib.figure import Figure

from bayes_guided import plots
from bayes_guided.exceptions import NoDensityError, ReadingError
from bayes_guided.infer import MAPFit
from bayes_guided.priors.threshold_survival import GroupSurvival, kept_sizes, row_sizes, threshold_survival


def draw_figures(fit: MAPFit, folder: Path) -> list[Path]:
    """Draws guidance and survival, row norms, the training curves and the architecture, each as PNG and PDF.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    figures = {
        "unit_survival": _survival_figure(fit),
        "row_norms": _norms_figure(fit),
        "training": _training_figure(fit),
        "architecture": _architecture_figure(fit),
    }
    return [path for name, figure in figures.items() for path in plots.save(figure, folder, name)]


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


def _norms_figure(fit: MAPFit) -> Figure:
    figure, axes = plots.panels(len(fit.architecture.groups), height=1.7)
    for group, ax in zip(fit.architecture.groups, axes, strict=True):
        plots.row_norms(fit.rows[group.name].cpu().norm(dim=1), group=group.name, ax=ax)
    return figure


def _training_figure(fit: MAPFit) -> Figure:
    figure, axes = plots.panels(3, height=1.5)
    refit = None if fit.refit is None else fit.refit.history
    for quantity, ax in zip(("loss", "error", "units"), axes, strict=True):
        plots.training(fit.history, quantity, refit=refit, error_name=fit.likelihood.error_name, ax=ax)
    return figure


def _architecture_figure(fit: MAPFit) -> Figure:
    ax = plots.architecture(fit.sub_architecture())
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure
