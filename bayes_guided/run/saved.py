"""Finished runs, read back: their fit, their figures, their reduced network."""

from dataclasses import dataclass
from pathlib import Path

import torch

from bayes_guided.comparison import Comparison
from bayes_guided.config import RunConfig, load_config
from bayes_guided.exceptions import RunFolderError
from bayes_guided.infer import Fit, load_fit

from .figures import draw_figures
from .folder import RunFolder
from .handover import save_smaller
from .metrics import Metrics


@dataclass(frozen=True, eq=False)
class SavedRun:
    """A finished run, as it lies in its folder."""

    folder: RunFolder
    config: RunConfig
    metrics: Metrics
    fit: Fit


def load_run(folder: str | Path) -> SavedRun:
    """Reads a finished run; its data are not needed.

    Raises:
        RunFolderError: if the folder holds no finished run.
        ConfigError, CheckpointError: if a file in it is damaged.
    """
    place = RunFolder(Path(folder))
    if not place.config.exists():
        raise RunFolderError(f"'{place.path}' holds no run: it has no config.yaml; give a folder that `fit` or `demo` made.")
    metrics = Metrics.load(place.metrics)
    config = load_config(place.config)
    with torch.random.fork_rng():
        fit = load_fit(place.fit, config.net.build())
    return SavedRun(place, config, metrics, fit)


def draw_run(folder: str | Path) -> list[Path]:
    """Draws the figures of a finished run again and returns their files.

    Raises:
        RunFolderError, ConfigError, CheckpointError: as `load_run`; RunFolderError too if the folder cannot be written.
        ComparisonFileError: if the run's comparison is missing or damaged.
    """
    saved = load_run(folder)
    comparison = Comparison.from_netcdf(saved.folder.comparison)
    return draw_figures(saved.fit, comparison, saved.folder.figures)


def reduce_run(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes the reduced network of a finished run, refitted if the run has a refit, to `out` and returns that folder.

    Without `out` it goes to the run's own `reduced` folder.

    Raises:
        RunFolderError, ConfigError, CheckpointError: as `load_run`.
    """
    saved = load_run(folder)
    target = saved.folder.reduced if out is None else Path(out)
    save_smaller(saved.fit, target)
    return target
