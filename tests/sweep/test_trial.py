"""A trial in a worker: every failure is an outcome, and a run that is complete is only read."""

import fcntl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bayes_guided.config import to_yaml
from bayes_guided.run import Metrics, draw_run
from bayes_guided.sweep.trial import Outcome, run_trial
from tests.sweep.conftest import MakeSweep, built


@pytest.fixture
def settings(make_sweep: MakeSweep) -> str:
    """Those of a run, as YAML."""
    return to_yaml(make_sweep().run_config({"prior.strength": 0.1, "net.settings.hidden": 5}, name="0000"))


def test_a_run_is_done_once(settings: str, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    first = run_trial(settings, str(tmp_path / "out"), ["test_nll", "parameters_after"], 1)
    metrics = Metrics.load(tmp_path / "out" / "metrics.json")
    assert first == Outcome((metrics.test_nll, float(metrics.parameters_after)), None, metrics.seconds_total)
    networks = len(built(tmp_path))
    assert run_trial(settings, str(tmp_path / "out"), ["test_nll", "parameters_after"], 1) == first
    assert len(built(tmp_path)) == networks
    assert torch.get_num_threads() == before


def test_figures_are_left_to_be_drawn_from_the_folder(settings: str, tmp_path: Path) -> None:
    """Drawing takes most of a short trial's time."""
    assert run_trial(settings, str(tmp_path / "out"), ["test_nll"], 1).failure is None
    assert not (tmp_path / "out" / "figures").exists()
    assert {path.name for path in draw_run(tmp_path / "out")} >= {"unit_survival.png", "architecture.pdf"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("def make(hidden): raise SystemExit(3)", "SystemExit: 3"),
        ("def make(hidden): return 1 / 0", "ZeroDivisionError"),
        ("import nothing_of_that_name", "ConfigError"),
    ],
)
def test_failures_are_outcomes(settings: str, tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "net.py").write_text(written)
    outcome = run_trial(settings, str(tmp_path / "out"), ["test_nll"], 1)
    assert outcome.results is None
    assert str(outcome.failure).startswith("Traceback")
    assert said in str(outcome.failure)


def test_objectives_that_are_no_numbers(settings: str, tmp_path: Path) -> None:
    missing = run_trial(settings, str(tmp_path / "out"), ["test_nll", "validation_error"], 1)
    assert missing.results is None
    assert "measured no validation_error; validation errors need data.validation" in str(missing.failure)
    place = tmp_path / "out" / "metrics.json"
    replace(Metrics.load(place), test_nll=float("nan")).save(place)
    assert "test_nll is nan" in str(run_trial(settings, str(tmp_path / "out"), ["test_nll"], 1).failure)


def test_a_folder_that_another_process_is_at_is_waited_for(settings: str, tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    with (tmp_path / ".out.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        other = threading.Thread(target=lambda: outcomes.append(run_trial(settings, str(tmp_path / "out"), ["test_nll"], 1)))
        other.start()
        time.sleep(0.3)
        assert not (tmp_path / "out").exists()
    other.join()
    assert outcomes[0].results is not None
