"""The store: what is put in comes out, of any kind and after a new start; wrong and unreachable ones are named."""

import json
import socket
import sqlite3
import time
from pathlib import Path

import optuna
import pytest

from bayes_guided.exceptions import RunFolderError, StorageError
from bayes_guided.sweep import open_store, read_sweep
from bayes_guided.sweep.storage import SECONDS_TO_CONNECT
from tests.sweep.conftest import MakeSweep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty one."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_what_is_put_in_comes_out(make_sweep: MakeSweep, folder: Path) -> None:
    sweep = make_sweep(
        space={"net.settings": {"choices": [{"hidden": 8}, {"hidden": [1, "a"]}]}, "prior.strength": {"low": 0.1, "high": 2.0}}
    )
    store = open_store(sweep, folder)
    points = [
        {"net.settings": value, "prior.strength": strength}
        for value in ({"hidden": [1, "a"]}, {"hidden": 8})
        for strength in (0.1, 1 / 3)
    ]
    assert [store.add(sweep, point).number for point in points] == [0, 1, 2, 3]
    store.complete(1, (0.1 + 0.2, 7), 2.5)
    store.fail(2, "Traceback: é\nno", 1.5)
    for read in (store, open_store(sweep, folder), read_sweep(folder)):
        trials = read.trials()
        assert [trial.values for trial in trials] == points
        assert [trial.state for trial in trials] == ["running", "complete", "failed", "running"]
        assert trials[1].results == {"test_nll": 0.1 + 0.2, "parameters_after": 7}
        assert (trials[1].seconds, trials[2].seconds, trials[3].seconds) == (2.5, 1.5, None)
        assert (trials[1].failure, trials[2].failure) == (None, "Traceback: é\nno")
        assert read.objectives == {"test_nll": "minimize", "parameters_after": "minimize"}


def test_front_is_what_nothing_beats(make_sweep: MakeSweep, folder: Path) -> None:
    sweep = make_sweep(objectives={"test_nll": "maximize", "parameters_after": "minimize"})
    store = open_store(sweep, folder)
    points = [(1.0, 5), (2.0, 6), (2.0, 7), (3.0, 9), (0.5, 9), (1.0, 5)]
    for point in points:
        trial = store.add(sweep, {"prior.strength": 1.0, "net.settings.hidden": 5})
        store.complete(trial.number, point, 1.0)
    beaten = {
        place
        for place, (nll, size) in enumerate(points)
        if any(other[0] >= nll and other[1] <= size and other != (nll, size) for other in points)
    }
    assert {trial.number for trial in store.front()} == set(range(6)) - beaten == {0, 1, 3, 5}
    assert [trial.results["test_nll"] for trial in store.front()] == [3.0, 2.0, 1.0, 1.0]


def test_importances(make_sweep: MakeSweep, folder: Path) -> None:
    sweep = make_sweep()
    store = open_store(sweep, folder)
    for number in range(12):
        values = {"prior.strength": 0.5 + (number % 4), "net.settings.hidden": 4 + number // 4}
        assert store.importances() == {} if number < 4 else True
        store.complete(store.add(sweep, values).number, (values["prior.strength"] ** 2, 3.0), 1.0)
    importances = store.importances()
    assert list(importances) == ["test_nll"], "the size never varied"
    assert importances["test_nll"]["prior.strength"] > 0.95
    assert sum(importances["test_nll"].values()) == pytest.approx(1)


def test_a_folder_of_other_files_is_left_alone(make_sweep: MakeSweep, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="holds other files"):
        open_store(make_sweep(), folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_damaged_mark_is_named(make_sweep: MakeSweep, folder: Path) -> None:
    open_store(make_sweep(), folder)
    (folder / "sweep.json").write_text("{")
    for use in (lambda: open_store(make_sweep(), folder), lambda: read_sweep(folder)):
        with pytest.raises(RunFolderError, match="is damaged"):
            use()


def test_folders_without_a_sweep(make_sweep: MakeSweep, folder: Path) -> None:
    with pytest.raises(StorageError, match="holds no sweep"):
        read_sweep(folder)
    open_store(make_sweep(), folder)
    (folder / "sweep.db").unlink()
    with pytest.raises(StorageError, match="has lost its"):
        read_sweep(folder)
    with pytest.raises(StorageError, match="holds no sweep 'small'"):
        read_sweep(folder, f"sqlite:///{folder / 'other.db'}")


def test_a_study_that_is_no_sweep_is_refused(make_sweep: MakeSweep, folder: Path) -> None:
    url = f"sqlite:///{folder.parent / 'theirs.db'}"
    study = optuna.create_study(storage=url, study_name="small", directions=["minimize", "minimize"])
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))
    with pytest.raises(StorageError, match="holds another sweep under the name 'small'"):
        open_store(make_sweep(storage=url), folder)
    optuna.create_study(storage=url, study_name="turned", directions=["minimize", "maximize"])
    with pytest.raises(StorageError, match="holds another sweep under the name 'turned'"):
        open_store(make_sweep(storage=url, name="turned"), folder)


def test_a_start_that_was_killed_half_way_is_gone_on_with(make_sweep: MakeSweep, folder: Path) -> None:
    url = f"sqlite:///{folder.parent / 'shared.db'}"
    study = optuna.create_study(storage=url, study_name="small", directions=["minimize", "minimize"])
    study.set_user_attr("bayes_guided.objectives", {"test_nll": "minimize"})
    assert list(open_store(make_sweep(storage=url), folder).objectives) == ["test_nll", "parameters_after"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://me:hush@127.0.0.1:1/db?sslpassword=hush",
            "'postgresql://me@127.0.0.1:1/db' cannot be used (OperationalError",
        ),
        ("nonsense", "'nonsense' cannot be used (ArgumentError"),
        ("nodialect://me:hush@h/db", "'nodialect://me@h/db' cannot be used (NoSuchModuleError"),
        ("sqlite:////nowhere/at/all.db", "'sqlite:////nowhere/at/all.db' cannot be used (OperationalError"),
    ],
)
def test_unreachable_storage(make_sweep: MakeSweep, folder: Path, url: str, said: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_store(make_sweep(storage=url), folder)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up(make_sweep: MakeSweep, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SECONDS_TO_CONNECT <= 10
    monkeypatch.setattr("bayes_guided.sweep.storage.SECONDS_TO_CONNECT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(StorageError, match="timeout"):
            open_store(make_sweep(storage=f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db"), folder)
    assert time.monotonic() - started < 10
    assert not (folder / "sweep.json").exists(), "another storage may be tried"


def test_a_file_that_is_no_database_is_named(make_sweep: MakeSweep, folder: Path) -> None:
    place = folder.parent / "text.db"
    place.write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(StorageError, match="not a database"):
        open_store(make_sweep(storage=f"sqlite:///{place}"), folder)
    assert place.read_text().startswith("this is no database")


def test_storage_that_breaks_later_is_named(make_sweep: MakeSweep, folder: Path) -> None:
    store = open_store(make_sweep(), folder)
    with sqlite3.connect(folder / "sweep.db") as database:
        database.execute("DROP TABLE trials")
    database.close()
    with pytest.raises(StorageError, match="start the sweep again to go on"):
        store.add(make_sweep(), {"prior.strength": 1.0, "net.settings.hidden": 5})


def test_the_mark_has_the_storage_without_its_password(make_sweep: MakeSweep, folder: Path) -> None:
    url = f"sqlite:///{folder.parent / 'shared.db'}"
    open_store(make_sweep(storage=url), folder)
    assert json.loads((folder / "sweep.json").read_text())["storage"] == url
    assert read_sweep(folder).trials() == []


def test_verbosity_stays(make_sweep: MakeSweep, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        open_store(make_sweep(), folder)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(optuna.logging.INFO)
    assert capfd.readouterr() == ("", "")
