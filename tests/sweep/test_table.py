"""Tables of a sweep: counts, time left, the front, failures."""

from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from bayes_guided.sweep import Store, front_table, importance_table, open_store, progress_table, trials_table
from tests.sweep.conftest import MakeSweep


def text(table: RenderableType) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


@pytest.fixture
def store(make_sweep: MakeSweep, tmp_path: Path) -> Store:
    """Two complete trials of 60 and 120 seconds, one that failed, one that runs."""
    sweep = make_sweep()
    (tmp_path / "out").mkdir()
    store = open_store(sweep, tmp_path / "out")
    for number in range(4):
        store.add(sweep, {"prior.strength": 0.125 * (number + 1), "net.settings.hidden": 5 + number})
    store.complete(0, (0.5, 40), 60.0)
    store.complete(1, (0.7, 50), 120.0)
    store.fail(2, "Traceback\nValueError: no", 3.0)
    return store


def test_progress(store: Store) -> None:
    assert "3 of 10 trials done, 1 running, 1 failed" in text(progress_table(store, 10))
    # Seven remain at 90 seconds each, two at a time.
    assert "2 workers, about 5 min 15 s left" in text(progress_table(store, 10, 2))
    assert "waiting for workers" in text(progress_table(store, 10, 0))
    assert "left" not in text(progress_table(store, 10))
    assert "3 of 4 trials done" in text(progress_table(store, 2)), "a sweep that was longer"


def test_front(store: Store) -> None:
    shown = text(front_table(store))
    assert "no other beats in all (1)" in shown
    assert "test_nll (minimize)" in shown
    assert "0.125" in shown
    assert "0.25" not in shown


def test_trials(store: Store) -> None:
    shown = text(trials_table(store.trials()))
    for part in ("complete", "failed", "running", "ValueError: no", "test_nll=0.7", "prior.strength=0.375", "120.0"):
        assert part in shown
    assert "Traceback" not in shown


def test_importances(store: Store, make_sweep: MakeSweep) -> None:
    assert importance_table(store) is None
    sweep = make_sweep()
    for number in range(6):
        trial = store.add(sweep, {"prior.strength": 1.0 + number, "net.settings.hidden": 5})
        store.complete(trial.number, (float(number), 9.0), 1.0)
    shown = text(importance_table(store) or "")
    assert "prior.strength" in shown
    assert "%" in shown
