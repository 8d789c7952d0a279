"""Locks keep a second process out, and go with theirs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayes_guided.exceptions import RunFolderError
from bayes_guided.sweep.lock import alone_at, locked

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_sweep_is_refused_while_another_process_is_at_it(tmp_path: Path) -> None:
    with holder(tmp_path / ".lock", 60) as other:
        with pytest.raises(RunFolderError, match="another process"), locked(tmp_path):
            pass
        other.kill()
    with locked(tmp_path):
        pass


def test_a_trial_waits(tmp_path: Path) -> None:
    with holder(tmp_path / ".0001.lock", 0.5):
        started = time.monotonic()
        with alone_at(tmp_path / "0001"):
            assert time.monotonic() - started > 0.3
        with alone_at(tmp_path / "0002"):
            pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write"), locked(tmp_path / "file" / "out"):
        pass
