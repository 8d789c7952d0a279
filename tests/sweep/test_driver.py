"""Whole sweeps, with real worker processes: the same with any workers, and nothing lost when something is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from bayes_guided.exceptions import RunFolderError, SchedulerError, StorageError
from bayes_guided.sweep import Store, load_sweep, read_sweep, run_sweep
from bayes_guided.sweep.lock import locked
from tests.sweep.conftest import QUIET, MakeSweep, built, numbers, write_sweep, written


def states(store: Store) -> list[str]:
    """Of all trials, in order."""
    return [trial.state for trial in store.trials()]


def until(holds: Callable[[], Any], seconds: float = 240) -> None:
    """Waits for it."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


def troubled(*troubles: str | None, **changes: Any) -> dict[str, Any]:
    """A grid with one trial for each trouble that its network is to make."""
    return {
        "space": {"net.settings.trouble": {"choices": list(troubles)}},
        "sampler": {"kind": "grid"},
        "trials": None,
        **changes,
    }


@pytest.fixture
def one_thread() -> Iterator[str]:
    """The address of a Dask cluster with a single worker, a thread of this process."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", **QUIET) as found:
        yield found.scheduler_address


def test_the_same_results_with_one_worker_two_and_a_cluster(
    make_sweep: MakeSweep, tmp_path: Path, cluster: str, one_thread: str
) -> None:
    sweep = make_sweep()
    stores = [
        run_sweep(sweep, tmp_path / "one", scheduler=one_thread).store,
        run_sweep(sweep, tmp_path / "two").store,
        run_sweep(sweep, tmp_path / "cluster", scheduler=cluster).store,
    ]
    one, two, many = (numbers(tmp_path / name) for name in ("one", "two", "cluster"))
    assert len(one) == 4
    assert one == two == many
    for store in stores:
        assert states(store) == ["complete"] * 4
        assert [(trial.values, trial.results) for trial in store.trials()] == [
            (trial.values, trial.results) for trial in stores[0].trials()
        ]
        for trial in store.trials():
            assert trial.results["test_nll"] == one[f"{trial.number:04d}"]["test_nll"]
    in_cluster = {process for process, _, _ in built(tmp_path)[-4:]}
    assert os.getpid() not in in_cluster


def test_a_sweep_can_be_extended(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    shorter = make_sweep(trials=1)
    run_sweep(shorter, tmp_path / "out", scheduler=cluster)
    before = written(tmp_path / "out")
    store = run_sweep(make_sweep(trials=2), tmp_path / "out", scheduler=cluster).store
    assert states(store) == ["complete"] * 2
    assert written(tmp_path / "out")["0000"] == before["0000"]


def test_settings_that_fit_no_run_fail_their_trial_only(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    sweep = make_sweep(space={"prior.strength": {"choices": [1.0, -1.0]}}, sampler={"kind": "grid"}, trials=None)
    store = run_sweep(sweep, tmp_path / "out", scheduler=cluster).store
    assert states(store) == ["complete", "failed"]
    assert "'prior.strength' is -1.0" in str(store.trials()[1].failure)


SCRIPT = """
import sys
from bayes_guided.sweep import load_sweep, run_sweep
if __name__ == "__main__":
    run_sweep(load_sweep(sys.argv[1]), sys.argv[2])
"""


def test_a_killed_driver_goes_on_and_repeats_no_finished_trial(tmp_path: Path, cluster: str) -> None:
    config, folder = write_sweep(tmp_path, **troubled(None, "waits", "none", "other")), tmp_path / "out"
    (tmp_path / "script.py").write_text(SCRIPT)
    driver = subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(config), str(folder)])
    try:
        # The second trial holds its worker; the other does the rest.
        until(lambda: len(written(folder)) == 3)
    finally:
        driver.kill()
        driver.wait()
    (process,) = (process for process, _, trouble in built(tmp_path) if trouble == "waits")
    until(lambda: not Path(f"/proc/{process}").exists())
    before = written(folder)
    assert states(read_sweep(folder))[1] == "running"
    (tmp_path / "go").touch()

    store = run_sweep(load_sweep(config), folder, scheduler=cluster).store
    assert states(store) == ["complete"] * 4
    after = written(folder)
    assert set(after) - set(before) == {"0001"}
    assert {name: after[name] for name in before} == before
    assert [trouble for _, _, trouble in built(tmp_path)].count("waits") == 2
    assert len(built(tmp_path)) == 5


def test_a_run_that_finished_unrecorded_is_read_and_not_repeated(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    sweep = make_sweep(trials=2)
    first = run_sweep(sweep, tmp_path / "out", scheduler=cluster).store
    before, networks = written(tmp_path / "out"), len(built(tmp_path))
    # As if the driver had been killed each time before it could write the result down.
    (tmp_path / "out" / "sweep.db").unlink()
    again = run_sweep(sweep, tmp_path / "out", scheduler=cluster).store
    assert again.trials() == first.trials()
    assert (written(tmp_path / "out"), len(built(tmp_path))) == (before, networks)


def test_two_sweeps_on_one_store_do_not_mix(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    space = {"prior.strength": {"choices": [0.1, 0.2]}}
    one = make_sweep(name="one", storage=url, space=space, sampler={"kind": "grid"}, trials=None)
    two = make_sweep(name="two", storage=url, objectives={"test_error": "minimize"}, trials=2)
    run_sweep(one, tmp_path / "one", scheduler=cluster)
    run_sweep(two, tmp_path / "two", scheduler=cluster)
    assert [trial.values for trial in read_sweep(tmp_path / "one").trials()] == [
        {"prior.strength": 0.1},
        {"prior.strength": 0.2},
    ]
    assert [list(trial.results) for trial in read_sweep(tmp_path / "two").trials()] == [["test_error"]] * 2
    with pytest.raises(StorageError, match="with its runs in another folder"):
        run_sweep(one, tmp_path / "elsewhere", scheduler=cluster)
    other = make_sweep(name="one", storage=url, trials=2)
    with pytest.raises(StorageError, match="another sweep under the name 'one'"):
        run_sweep(other, tmp_path / "other", scheduler=cluster)
    with pytest.raises(RunFolderError, match=r"holds another sweep \('one'\)"):
        run_sweep(two, tmp_path / "one", scheduler=cluster)


def test_one_process_at_a_time(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    with locked(tmp_path / "out"), pytest.raises(RunFolderError, match="another process is at the sweep"):
        run_sweep(make_sweep(), tmp_path / "out", scheduler=cluster)


CLUSTER = """
import time
from distributed import LocalCluster
cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0")
print(cluster.scheduler_address, flush=True)
time.sleep(600)
"""


def test_a_cluster_that_is_gone_is_named_and_nothing_is_lost(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    sweep = make_sweep(**troubled(None, "waits"))
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdout=subprocess.PIPE, text=True) as short_lived:
        assert short_lived.stdout is not None

        def kill(store: Store, _workers: int) -> None:
            if states(store) == ["complete", "running"]:
                short_lived.kill()

        try:
            with pytest.raises(SchedulerError, match="connection to the scheduler is lost"):
                run_sweep(sweep, tmp_path / "out", scheduler=short_lived.stdout.readline().strip(), watch=kill)
        finally:
            short_lived.kill()
    assert states(read_sweep(tmp_path / "out")) == ["complete", "running"]
    (tmp_path / "go").touch()
    assert states(run_sweep(sweep, tmp_path / "out", scheduler=cluster).store) == ["complete"] * 2


def _unknown_here() -> None:
    raise ModuleNotFoundError("No module named 'bayes_guided'")


def test_workers_that_cannot_start_a_trial_fail_the_sweep_and_not_the_trial(
    make_sweep: MakeSweep, tmp_path: Path, one_thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayes_guided.sweep.driver.run_trial", lambda *_: _unknown_here())
    with pytest.raises(SchedulerError, match=r"could not even start trial 0 .*No module named 'bayes_guided'"):
        run_sweep(make_sweep(), tmp_path / "out", scheduler=one_thread)
    assert states(read_sweep(tmp_path / "out")) == ["running"]


# The last, since they cost the cluster its workers, which then have to start again.


def test_failures_are_recorded_and_do_not_stop_the_others(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    sweep = make_sweep(**troubled("fails", None, "kills", "none"))
    store = run_sweep(sweep, tmp_path / "out", scheduler=cluster).store
    assert states(store) == ["failed", "complete", "failed", "complete"]
    first, _, third, _ = store.trials()
    assert "Traceback" in str(first.failure)
    assert "RuntimeError: the network is not in the mood" in str(first.failure)
    assert "died 3 times" in str(third.failure)
    assert [trouble for _, _, trouble in built(tmp_path)].count("kills") == 3
    # Neither is tried again.
    before = len(built(tmp_path))
    assert states(run_sweep(sweep, tmp_path / "out", scheduler=cluster).store) == states(store)
    assert len(built(tmp_path)) == before


def test_a_killed_worker_loses_its_trial_only_which_is_run_again(make_sweep: MakeSweep, tmp_path: Path, cluster: str) -> None:
    sweep = make_sweep(**troubled(None, "waits", "none"))
    killed: list[int] = []

    def kill(store: Store, _workers: int) -> None:
        waiting = (
            [process for process, _, trouble in built(tmp_path) if trouble == "waits"]
            if (tmp_path / "built.txt").exists()
            else []
        )
        if waiting and not killed and states(store) == ["complete", "running", "complete"]:
            killed.append(waiting[0])
            os.kill(waiting[0], signal.SIGKILL)
            (tmp_path / "go").touch()

    result = run_sweep(sweep, tmp_path / "out", scheduler=cluster, watch=kill)
    assert killed
    assert states(result.store) == ["complete"] * 3
    assert [trouble for _, _, trouble in built(tmp_path)].count("waits") == 2
    assert len(built(tmp_path)) == 4
    assert len(numbers(tmp_path / "out")) == 3
