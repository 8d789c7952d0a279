"""One trial of a sweep, in a worker."""

import math
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from dask import config as dask_config

from bayes_guided.config import parse_config
from bayes_guided.exceptions import ConfigError
from bayes_guided.run import Metrics, run

from .lock import alone_at

_ONE_AT_A_TIME = threading.Lock()
"""A worker of several threads still does one trial at a time: torch's random state and number of threads are its process's."""


@dataclass(frozen=True)
class Outcome:
    """A trial's objectives in their order, or the traceback of its failure; seconds of wall time."""

    results: tuple[float, ...] | None
    failure: str | None
    seconds: float


def run_trial(settings: str, folder: str, objectives: Sequence[str], threads: int) -> Outcome:
    """Does the run of these settings (YAML) in the folder, or reads it if the folder holds it complete.

    No figures are drawn: they take most of a short trial's time, and `draw_run` and the report draw them from the folder.
    Every failure is an outcome: one trial that cannot be done must not stop the others. A folder at which another process is
    (the worker of a sweep that was killed may still be finishing its trial) is waited for.
    """
    started = time.perf_counter()
    try:
        with _ONE_AT_A_TIME, alone_at(Path(folder)):
            metrics = _run(settings, Path(folder), threads)
        return Outcome(tuple(_measured(metrics, name) for name in objectives), None, metrics.seconds_total)
    except (Exception, SystemExit):  # noqa: BLE001  recorded with its traceback, not swallowed
        return Outcome(None, traceback.format_exc(), time.perf_counter() - started)


def _run(settings: str, folder: Path, threads: int) -> Metrics:
    before = torch.get_num_threads()
    config = parse_config(yaml.safe_load(settings), source=str(folder), folder=folder)
    try:
        torch.set_num_threads(threads)
        # Without it, xarray would ask the cluster for a lock on this worker's own files.
        with dask_config.set(scheduler="synchronous"):
            return run(config, folder, progress=False, figures=False).metrics
    finally:
        torch.set_num_threads(before)


def _measured(metrics: Metrics, name: str) -> float:
    value = getattr(metrics, name)
    if value is None:
        raise ConfigError(
            f"the run measured no {name}; validation errors need data.validation, those of a refit refit_epochs, those of the "
            "unguided network baseline."
        )
    if not math.isfinite(value):
        raise ConfigError(f"the run's {name} is {value}, which is no better and no worse than any number.")
    return float(value)
