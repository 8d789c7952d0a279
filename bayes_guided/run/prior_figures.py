"""The figures of a prior over models."""

from pathlib import Path

from matplotlib.figure import Figure

from bayes_guided import plots
from bayes_guided.priors import PriorOverview
from bayes_guided.types import UnitValues


def draw_prior(found: PriorOverview, guidance: UnitValues | None, *, reading: str, folder: Path) -> list[Path]:
    """Draws the survivals and the laws of widths that there are, each figure as PNG and PDF, and returns the files.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    figures = {"model_survival": _survivals(found, guidance, reading), "width_law": _laws(found)}
    return [path for name, figure in figures.items() if figure is not None for path in plots.save(figure, folder, name)]


def _survivals(found: PriorOverview, guidance: UnitValues | None, reading: str) -> Figure | None:
    survival = found.unit_survival.value
    if survival is None:
        return None
    figure, axes = plots.panels(len(survival), height=2.0)
    for (group, values), ax in zip(survival.items(), axes, strict=True):
        profile = None if guidance is None else guidance[group]
        plots.model_survival(values, profile, group=group, reading=reading, ax=ax)
    return figure


def _laws(found: PriorOverview) -> Figure | None:
    """One panel per group, and one for the size of the model where there is more than one group."""
    laws = {name: answer.value for name, answer in found.width_laws.items() if answer.value is not None}
    if found.size_law.value is not None and len(found.width_laws) > 1:
        laws["all groups"] = found.size_law.value
    if not laws:
        return None
    figure, axes = plots.panels(len(laws), height=1.7)
    for (name, law), ax in zip(laws.items(), axes, strict=True):
        plots.model_width(law, name=name, ax=ax)
    return figure
