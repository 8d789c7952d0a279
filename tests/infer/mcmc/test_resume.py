"""MCMC killed with SIGKILL ends with the bits of a run that was left alone."""

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest

from bayes_guided.files import load_tree
from tests.infer.mcmc_runs import RUNS, WRITES, start
from tests.test_files import same

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([start.__module__])
FILES = ["chain-1.safetensors", "chain-2.safetensors"]


def ended(name: str, folder: Path, *death: Any) -> int | None:
    """The exit code of a run."""
    process = CONTEXT.Process(target=start, args=(name, folder, *death))
    process.start()
    process.join(120)
    return process.exitcode


def outcome(folder: Path) -> dict[str, Any]:
    """Draws, positions, tuning and generators of every chain, but for leftovers."""
    assert sorted(path.name for path in folder.iterdir()) == FILES
    return {path.name: load_tree(path, kind="checkpoint") for path in folder.iterdir()}


@pytest.mark.parametrize("name", RUNS)
def test_killed_in_every_phase_of_a_checkpoint_and_of_the_run(tmp_path, name):
    """Before the first checkpoint is whole, between checkpoints, between chains, in the second chain's warm-up, at the end."""
    assert ended(name, tmp_path / "undisturbed") == 0
    undisturbed, folder = outcome(tmp_path / "undisturbed"), tmp_path / "killed"
    assert ended(name, folder, "half written", 1) == -signal.SIGKILL  # the first warm-up is lost
    assert ended(name, folder, "written", 1) == -signal.SIGKILL  # and again
    assert ended(name, folder, "in place", 2) == -signal.SIGKILL  # six draws
    assert ended(name, folder, "half written", 2) == -signal.SIGKILL  # twelve, and a part of eighteen
    assert ended(name, folder, "in place", 2) == -signal.SIGKILL  # all draws of the first chain
    assert [path.name for path in folder.iterdir()] == FILES[:1]
    assert same(load_tree(folder / FILES[0], kind="checkpoint"), undisturbed[FILES[0]])
    assert ended(name, folder, "half written", 1) == -signal.SIGKILL  # the second chain's warm-up is lost
    assert ended(name, folder, "in place", WRITES - 1) == -signal.SIGKILL
    assert ended(name, folder) == 0
    assert same(outcome(folder), undisturbed)
    assert ended(name, folder, "half written", 1) == 0  # all is done, so nothing is written
