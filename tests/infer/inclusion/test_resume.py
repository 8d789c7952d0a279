"""A spike and slab's SVI killed with SIGKILL ends with the bits of a run that was left alone."""

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest

from bayes_guided.files import load_tree
from tests.infer.inclusion_runs import RUNS, start
from tests.test_files import same

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([start.__module__])
FILES = {
    "nested": ["refit.safetensors", "svi-1.safetensors", "svi.safetensors"],
    "relaxed": ["svi-1.safetensors", "svi.safetensors"],
}


def ended(name: str, folder: Path, *death: Any) -> int | None:
    """The exit code of a run."""
    process = CONTEXT.Process(target=start, args=(name, folder, *death))
    process.start()
    process.join(120)
    return process.exitcode


def outcome(name: str, folder: Path) -> dict[str, Any]:
    """Guide, buffers, optimiser, generators and history of both starts, and of the refit."""
    assert sorted(path.name for path in folder.iterdir()) == FILES[name]
    return {path.name: load_tree(path, kind="checkpoint") for path in folder.iterdir()}


@pytest.mark.parametrize("name", RUNS)
def test_killed_in_every_phase_of_a_checkpoint_and_between_the_starts(tmp_path, name):
    assert ended(name, tmp_path / "undisturbed") == 0
    undisturbed, folder = outcome(name, tmp_path / "undisturbed"), tmp_path / "killed"
    assert ended(name, folder, "half written", 1) == -signal.SIGKILL
    assert ended(name, folder, "in place", 2) == -signal.SIGKILL
    assert ended(name, folder, "in place", 7) == -signal.SIGKILL
    assert ended(name, folder) == 0
    assert same(outcome(name, folder), undisturbed)
    assert ended(name, folder, "half written", 1) == 0  # all is done, so nothing is written
