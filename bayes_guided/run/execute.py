"""What one run does, from settings to metrics."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from bayes_guided import priors
from bayes_guided.architecture import Architecture
from bayes_guided.arguments import usable_device
from bayes_guided.config import FitSettings, MAPSettings, RunConfig
from bayes_guided.datasets import Dataset
from bayes_guided.infer import Fit
from bayes_guided.infer.training.session import Prior
from bayes_guided.priors import GuidedPrior

from .comparing import compare_fit
from .figures import draw_figures
from .folder import RunFolder, check_owner, claimed, drop_checkpoint
from .handover import save_smaller
from .measure import data_part, measure
from .metrics import Metrics, peak_memory_mb


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, its numbers, and whether it was found finished and not run again."""

    folder: Path
    metrics: Metrics
    reused: bool


@dataclass(frozen=True, eq=False)
class _Task:
    """A run that is ready to start: everything in the settings has been built and fits together."""

    config: RunConfig
    data: Dataset
    net: nn.Module
    prior: Prior


def run(config: RunConfig, folder: str | Path, *, progress: bool | None = None, figures: bool = True) -> RunResult:
    """Does a run and fills its folder; `metrics.json` comes last, so a folder that has it is complete.

    A folder that holds this very run is finished if it was interrupted, and only read if it is complete. `progress` shows
    bars; by default in a terminal only. `figures=False` leaves the figures out, which take most of a short run's time;
    `draw_run` draws them from the finished folder. The caller's random generators stay as they are.

    Raises:
        ConfigError: if a setting does not fit the data, the network or this machine.
        RunFolderError: if the folder holds anything else, or cannot be written.
        DataError, DataFileError: if the data cannot be used.
        BayesGuidedError: as `Architecture.from_module`, `GuidedPrior` and `fit_map`.
    """
    started = time.perf_counter()
    place = RunFolder(Path(folder))
    usable_device(config.device)
    data = config.load_data()
    config = config.completed(data)
    if not check_owner(place, config) and place.finished:
        drop_checkpoint(place)
        return RunResult(place.path, Metrics.load(place.metrics), reused=True)
    task = _prepare(config, data)
    with claimed(place, config):
        fit = _fit(task, task.prior, config.fit, checkpoint=place.checkpoint, progress=progress)
        unguided = _fit_unguided(task, place.checkpoint / "unguided", progress) if config.baseline else None
        fit.save(place.fit)
        comparison = compare_fit(fit, data_part(task.data, "train"), config.compare)
        comparison.to_netcdf(place.comparison, force=True)
        metrics = measure(task.data, fit, unguided, comparison)
        save_smaller(fit, place.reduced)
        if figures:
            draw_figures(fit, comparison, place.figures)
        metrics = replace(metrics, seconds_total=time.perf_counter() - started, peak_memory_mb=peak_memory_mb())
        metrics.save(place.metrics)
        drop_checkpoint(place)
    return RunResult(place.path, metrics, reused=False)


def _prepare(config: RunConfig, data: Dataset) -> _Task:
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = config.net.build()
    architecture = Architecture.from_module(net, data.train_x[:2], protect=config.net.protect)
    return _Task(config, _as_targets_of(config, data), net, config.build_prior(architecture))


def _as_targets_of(config: RunConfig, data: Dataset) -> Dataset:
    """Whole-number targets as floats where the likelihood is not over classes."""
    if config.likelihood == "Categorical" or data.num_classes is None:
        return data
    held_out = None if data.validation_y is None else data.validation_y.float()
    return replace(data, train_y=data.train_y.float(), test_y=data.test_y.float(), validation_y=held_out, num_classes=None)


def _fit(task: _Task, prior: Prior, settings: FitSettings, *, checkpoint: Path, progress: bool | None) -> Fit:
    config = task.config
    return settings.fit(
        task.net,
        prior,
        data_part(task.data, "train"),
        likelihood=config.build_likelihood(),
        validation=data_part(task.data, "validation") if task.data.validation_x is not None else None,
        seed=config.seed,
        device=config.device,
        checkpoint=checkpoint,
        progress=progress,
    )


def _fit_unguided(task: _Task, checkpoint: Path, progress: bool | None) -> Fit:
    """The MAP of the same network from the same start under the rest's ridge alone.

    With the budget of the fit and its refit where that is trained by gradients, else with the default budget.
    """
    fit, given = task.config.fit, task.config.fit.arguments
    shared = {name: given[name] for name in MAPSettings.model_fields if given.get(name) is not None}
    epochs = given["epochs"] + given.get("refit_epochs", 0) if "epochs" in given else MAPSettings().epochs
    settings = MAPSettings(**{**shared, "epochs": epochs, "refit_epochs": 0}) if fit.method != "mcmc" else MAPSettings()
    ridge = priors.Normal(task.config.prior.rest)
    prior = GuidedPrior(task.prior.architecture, weights=ridge, rest=ridge)
    return _fit(task, prior, settings, checkpoint=checkpoint, progress=progress)
