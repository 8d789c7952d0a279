"""The page on a sweep: complete, safe, and never over another one unasked."""

import re
from pathlib import Path

import pytest

from bayes_guided.exceptions import OutputExistsError, StorageError
from bayes_guided.sweep import Store, open_store, write_sweep_report
from tests.sweep.conftest import MakeSweep


@pytest.fixture
def store(make_sweep: MakeSweep, tmp_path: Path) -> Store:
    """Seven trials, of which one failed and one runs; none has a run folder."""
    sweep = make_sweep(trials=8)
    (tmp_path / "out").mkdir()
    store = open_store(sweep, tmp_path / "out")
    for number in range(7):
        store.add(sweep, {"prior.strength": 0.1 * (number + 1), "net.settings.hidden": 4 + number})
    for number in range(5):
        store.complete(number, (0.5 + number, 90.0 - number), 1.0)
    store.fail(5, "Traceback\nValueError: <script>alert(1)</script>", 1.0)
    return store


def test_page(store: Store, tmp_path: Path) -> None:
    written = write_sweep_report(store, tmp_path / "out")
    assert (written.page, written.runs) == (tmp_path / "out" / "report.html", None)
    page = written.page.read_text()
    assert "7 trials: 5 complete, 1 running or cut off, 1 failed." in page
    assert page.count("<svg") == 3
    assert "&lt;script&gt;alert" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page), "nothing is loaded"
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_what_is_there_is_kept(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(OutputExistsError, match="exists and is kept"):
        write_sweep_report(store, tmp_path / "out", page)
    assert page.read_text() == "mine"
    assert write_sweep_report(store, tmp_path / "out", page, force=True).page.read_text() != "mine"


def test_nothing_complete_yet(make_sweep: MakeSweep, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(StorageError, match="no trial of the sweep"):
        write_sweep_report(open_store(make_sweep(), tmp_path / "new"), tmp_path / "new")


def test_nothing_but_failures(make_sweep: MakeSweep, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    sweep = make_sweep()
    store = open_store(sweep, tmp_path / "new")
    store.add(sweep, {"prior.strength": 0.1, "net.settings.hidden": 4})
    store.fail(0, "ValueError: no", 1.0)
    with pytest.raises(StorageError, match="1 failed: `sweep status` says why"):
        write_sweep_report(store, tmp_path / "new")
