"""Small sweeps whose networks wait, fail or kill their worker when they are told to."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dask import config as dask_config
from distributed import LocalCluster

from bayes_guided.run import Metrics
from bayes_guided.sweep import Sweep, load_sweep
from tests.run.conftest import write_npz

NET = '''
"""A small network. Files beside this one say what else is to happen when it is built."""
import os, signal, time
from pathlib import Path
from torch import nn

HERE = Path(__file__).parent

def make(hidden=8, trouble=None):
    with (HERE / "built.txt").open("a") as file:
        file.write(f"{os.getpid()} {hidden} {trouble}\\n")
    if trouble == "fails":
        raise RuntimeError("the network is not in the mood")
    if trouble == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    while trouble == "waits" and not (HERE / "go").exists():
        time.sleep(0.02)
    return nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 2))
'''
FIT = {"epochs": 1, "batch_size": 32, "refit_epochs": 0, "warmup_steps": 2, "lr": 5e-3}
SPACE = {
    "prior.strength": {"low": 0.01, "high": 10.0, "log": True},
    "net.settings.hidden": {"low": 4, "high": 12, "whole": True},
}

QUIET: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "memory_limit": None, "silence_logs": 50}

MakeSweep = Callable[..., Sweep]


def sweep_settings(**changes: Any) -> dict[str, Any]:
    """Four trials of the network in `net.py` on the data in `a.npz`."""
    run = {
        "net": {"module": "net.py:make"},
        "data": {"kind": "npz", "path": "a.npz"},
        "prior": {"strength": 0.3},
        "fit": FIT,
    }
    objectives = {"test_nll": "minimize", "parameters_after": "minimize"}
    sampler = {"kind": "tpe", "startup": 2, "at_once": 2}
    return {"run": run, "space": SPACE, "objectives": objectives, "sampler": sampler, "trials": 4, "workers": 2, **changes}


def write_sweep(folder: Path, **changes: Any) -> Path:
    """The configuration of a sweep, with its network and data beside it."""
    write_npz(folder / "a.npz")
    (folder / "net.py").write_text(NET)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(sweep_settings(**changes), sort_keys=False))
    return path


@pytest.fixture
def make_sweep(tmp_path: Path) -> MakeSweep:
    """A checked sweep from `sweep_settings`, in the test's folder."""
    return lambda **changes: load_sweep(write_sweep(tmp_path, **changes))


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster of two worker processes."""
    environment = {"distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}}
    with (
        dask_config.set({**environment, "distributed.scheduler.allowed-failures": 2}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=None, silence_logs=50
        ) as found,
    ):
        yield found.scheduler_address


def built(folder: Path) -> list[tuple[int, str, str]]:
    """Process, hidden units and trouble of every network that was built."""
    lines = (folder / "built.txt").read_text().splitlines()
    return [(int(process), hidden, trouble) for process, hidden, trouble in map(str.split, lines)]


def numbers(folder: Path) -> dict[str, dict[str, Any]]:
    """The metrics of every run of a sweep, without those that are the machine's."""
    found = {path.parent.name: vars(Metrics.load(path)) for path in sorted(folder.glob("trials/*/metrics.json"))}
    of_machine = ("seconds", "seconds_unguided", "seconds_total", "peak_memory_mb")
    return {name: {key: value for key, value in held.items() if key not in of_machine} for name, held in found.items()}


def written(folder: Path) -> dict[str, int]:
    """When each finished run of a sweep was written, in nanoseconds."""
    return {path.parent.name: os.stat(path).st_mtime_ns for path in folder.glob("trials/*/metrics.json")}
