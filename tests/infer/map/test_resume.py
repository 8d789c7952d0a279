"""Runs killed with SIGKILL, at chosen moments and at random ones, end with the bits of a run that was left alone."""

import itertools
import multiprocessing
import random
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from bayes_guided.files import load_tree
from tests.infer.resumable import RUNS, start
from tests.test_files import same

# A server that has imported torch once: each run is a fresh process that starts at once.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([start.__module__])

# Of MAP and of the refit: every third step, and the last epoch's end.
WRITES = {"dropout": (12 + 1, 8 + 1), "batch_norm": (8 + 1, 5 + 1), "loader": (10 + 1, 6 + 1)}
MOMENTS = ("half written", "written", "in place")


def started(name: str, folder: Path, *death: Any) -> ForkServerProcess:
    process = CONTEXT.Process(target=start, args=(name, folder, *death))
    process.start()
    return process


def ended(name: str, folder: Path, *death: Any) -> int | None:
    """The exit code of a run."""
    process = started(name, folder, *death)
    process.join(120)
    return process.exitcode


def outcome(folder: Path) -> dict[str, Any]:
    """Weights, buffers, optimiser, generators, history: the last checkpoint of every phase, but for leftovers."""
    assert sorted(path.name for path in folder.iterdir()) == ["map.safetensors", "refit.safetensors"]
    return {path.name: load_tree(path, kind="checkpoint") for path in folder.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """What every run comes to when it is left alone."""
    found = {}
    for name in RUNS:
        folder = tmp_path_factory.mktemp(name)
        assert ended(name, folder) == 0
        found[name] = outcome(folder)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_kills_while_a_checkpoint_is_written(undisturbed, tmp_path, name):
    """Killed while a checkpoint is half written, whole but not in place, and in place; at its first write and later."""
    for moment, writes in itertools.product(MOMENTS, (1, 4)):
        assert ended(name, tmp_path, moment, writes) == -signal.SIGKILL
    assert ended(name, tmp_path) == 0
    assert same(outcome(tmp_path), undisturbed[name])


@pytest.mark.parametrize("name", RUNS)
def test_kills_between_the_phases_and_at_the_very_end(undisturbed, tmp_path, name):
    map_writes, refit_writes = WRITES[name]
    assert ended(name, tmp_path, "in place", map_writes) == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["map.safetensors"]
    assert same(load_tree(tmp_path / "map.safetensors", kind="checkpoint"), undisturbed[name]["map.safetensors"])
    assert ended(name, tmp_path, "half written", 1) == -signal.SIGKILL  # of the refit
    assert ended(name, tmp_path, "written", refit_writes) == -signal.SIGKILL
    assert ended(name, tmp_path, "in place", 1) == -signal.SIGKILL
    assert same(outcome(tmp_path), undisturbed[name])
    assert ended(name, tmp_path, "half written", 1) == 0  # all is done, so nothing is written


@pytest.mark.parametrize("name", RUNS)
def test_kills_at_random_moments(undisturbed, tmp_path, name):
    """Lives of random length: shorter until one is cut off, then longer and longer, so that any machine comes to the end."""
    lengths, longest, kills, exitcode = random.Random(name), 0.4, 0, None
    while exitcode is None:
        process = started(name, tmp_path)
        process.join(lengths.uniform(0.0, longest))
        exitcode = process.exitcode
        if exitcode is None:
            process.kill()
            process.join()
            kills, longest = kills + 1, longest * 1.1
        elif not kills:
            assert exitcode == 0
            for path in tmp_path.iterdir():
                path.unlink()
            longest, exitcode = longest / 2, None
    assert exitcode == 0
    assert same(outcome(tmp_path), undisturbed[name])
