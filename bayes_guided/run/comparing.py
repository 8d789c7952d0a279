"""Prior and posterior of a run, side by side."""

from collections.abc import Sequence
from pathlib import Path

import torch

from bayes_guided.comparison import Comparison, compare, side_by_side
from bayes_guided.config import CompareSettings
from bayes_guided.exceptions import ComparisonError
from bayes_guided.infer import Fit, MAPFit, margins
from bayes_guided.infer.curvature import mean_curvature
from bayes_guided.infer.training.batches import Data
from bayes_guided.types import UnitValues

from .saved import load_run


def compare_fit(fit: Fit, data: Data, settings: CompareSettings) -> Comparison:
    """The comparison that the settings ask for.

    A curvature that they leave out is the mean curvature of the data.

    Raises:
        ReadingError: if the fit has no such reading or no margins, or its number is missing.
        CurvatureError: if margins are asked for and a norm or dropout layer ties cases together.
    """
    reading = settings.chosen(fit.readings)
    curvature = settings.curvature
    if curvature is None and reading in ("map", "shrinkage", "evidence"):
        curvature = mean_curvature(fit, data)
    found = margins(fit, data).margin if settings.margins and isinstance(fit, MAPFit) else None
    return _compare(fit, settings, curvature, found)


def compare_runs(folders: Sequence[str | Path], settings: CompareSettings | None = None) -> Comparison:
    """The comparison of a finished run, or of several side by side, named after their folders.

    Without `settings` it is read as the runs wrote it; with settings it is made anew from the saved fits, at the curvature
    that each run measured unless the settings give one.

    Raises:
        RunFolderError, ConfigError, CheckpointError: if a folder holds no finished run, or a damaged one.
        ComparisonError: if the runs cannot stand side by side: other readings, or two folders of one name.
        ReadingError: if a fit has no such reading.
    """
    found = {Path(folder).name: _compared(folder, settings) for folder in folders}
    if len(found) < len(folders):
        raise ComparisonError("two of the folders have the same name, by which runs are told apart; rename one.")
    return next(iter(found.values())) if len(found) == 1 else side_by_side(found)


def _compared(folder: str | Path, settings: CompareSettings | None) -> Comparison:
    saved = load_run(folder)
    stored = Comparison.from_netcdf(saved.folder.comparison)
    if settings is None:
        return stored
    with torch.random.fork_rng():
        return _compare(saved.fit, settings, settings.curvature or saved.metrics.curvature, _margins(stored, saved.fit))


def _compare(fit: Fit, settings: CompareSettings, curvature: float | None, found: UnitValues | None) -> Comparison:
    reading = settings.chosen(fit.readings)
    return compare(fit.prior, fit, reading=reading, tau=settings.tau, curvature=curvature, draws=settings.draws, margins=found)


def _margins(stored: Comparison, fit: Fit) -> UnitValues | None:
    """Those that the run measured, which hold in every reading; None if it measured none."""
    values = stored.dataset["margin"]
    if bool(values.isnull().all()):
        return None
    rows = {group.name: values.sel(group=group.name).values[: group.size] for group in fit.architecture.groups}
    return {name: torch.from_numpy(row.copy()) for name, row in rows.items()}
