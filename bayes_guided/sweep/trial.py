"""One trial of a sweep, in a worker."""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dask
import torch
import yaml

from bayes_guided.config import parse_config
from bayes_guided.exceptions import ConfigError
from bayes_guided.run import run


@dataclass(frozen=True)
class Outcome:
    """A trial's objectives in their order, or the traceback of its failure; seconds of wall time."""

    results: tuple[float, ...] | None
    failure: str | None
    seconds: float


def run_trial(settings: str, folder: str, objectives: Sequence[str], threads: int) -> Outcome:
    """Does the run of these settings (YAML) in the folder, or reads it if the folder holds it complete.

    Every failure is an outcome: one trial that cannot be done must not stop the others.
    """
    started = time.perf_counter()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        config = parse_config(yaml.safe_load(settings), source=folder, folder=Path(folder))
        with dask.config.set(scheduler="synchronous"):  # or xarray would ask the cluster for a lock on this worker's own files
            metrics = run(config, folder, progress=False).metrics
        return Outcome(tuple(_measured(metrics, name) for name in objectives), None, time.perf_counter() - started)
    except Exception:  # noqa: BLE001  recorded with its traceback, not swallowed
        return Outcome(None, traceback.format_exc(), time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)


def _measured(metrics: object, name: str) -> float:
    value = getattr(metrics, name)
    if value is None:
        raise ConfigError(
            f"the run measured no {name}; validation errors need data.validation, those of a refit refit_epochs."
        )
    return float(value)
