"""The sweep itself: asks for trials, has workers do them, records how they went."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, as_completed
from distributed.scheduler import KilledWorker

from bayes_guided.config import to_yaml
from bayes_guided.exceptions import BayesGuidedError, SchedulerError
from bayes_guided.files import write_atomically

from .lock import locked
from .settings import Sweep
from .store import NAME_FILE, Store, Trial, open_store
from .trial import Outcome, run_trial
from .workers import workers


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep: its folder and its store."""

    folder: Path
    store: Store


def run_sweep(
    sweep: Sweep, folder: str | Path, *, scheduler: str | None = None, watch: Callable[[Store], None] | None = None
) -> SweepResult:
    """Does all trials of a sweep that are not done yet; their run folders are `trials/0000`, `trials/0001`, ...

    A sweep that was killed goes on where it was: trials that finished are not repeated, those that were cut off go on from
    their checkpoints, and the same trials follow as if nothing had happened. A trial that fails is recorded with its
    traceback. `scheduler` is the address of a Dask scheduler whose workers see the same files. `watch` is called with the
    store after each change.

    Raises:
        StorageError: if the storage cannot be reached, or holds another sweep.
        SchedulerError: if the scheduler cannot be reached, or a trial kills its workers again and again.
        RunFolderError: if the folder cannot be written, or another process is at this sweep.
    """
    folder = Path(folder)
    with locked(folder):
        store = open_store(sweep, folder)
        write_atomically(folder / NAME_FILE, f"{sweep.config.name}\n".encode())
        if all(trial.state != "running" for trial in store.trials()) and len(store.trials()) >= sweep.config.num_trials:
            return SweepResult(folder, store)
        with workers(sweep.config.workers, scheduler) as (client, threads):
            while True:
                waiting = _next_trials(sweep, store)
                if not waiting:
                    return SweepResult(folder, store)
                _do(waiting, sweep, store, client, threads, folder, watch)


def _next_trials(sweep: Sweep, store: Store) -> list[Trial]:
    """Trials that were cut off, together with those that complete their round; else the next round."""
    trials, at_once = store.trials(), sweep.config.sampler.at_once
    waiting = [trial for trial in trials if trial.state == "running"]
    begun = len(trials) % at_once != 0
    if not waiting and len(trials) >= sweep.config.num_trials:
        return []
    if not waiting or begun:
        end = min(sweep.config.num_trials, (len(trials) // at_once + 1) * at_once)
        waiting += [store.ask(sweep) for _ in range(len(trials), end)]
    return waiting


def _do(
    trials: list[Trial],
    sweep: Sweep,
    store: Store,
    client: Client,
    threads: int,
    folder: Path,
    watch: Callable[[Store], None] | None,
) -> None:
    objectives = list(store.objectives)
    futures = {}
    for trial in trials:
        name = f"{trial.number:04d}"
        place = (folder / "trials" / name).resolve()
        try:
            settings = to_yaml(sweep.run_config(trial.values, name=name))
        except BayesGuidedError as error:
            store.fail(trial.number, f"{type(error).__name__}: {error}", 0.0)
            continue
        future = client.submit(run_trial, settings, str(place), objectives, threads, key=f"{place}", pure=False)
        futures[future] = trial.number
    _tell(watch, store)
    for future in as_completed(list(futures)):
        _record(store, futures[future], future)
        _tell(watch, store)


def _record(store: Store, number: int, future: "object") -> None:
    try:
        outcome: Outcome = future.result()  # type: ignore[attr-defined]
    except KilledWorker as error:
        raise SchedulerError(
            f"trial {number} killed every worker that tried it (too little memory?); the sweep goes on from here once that is "
            "mended."
        ) from error
    if outcome.results is None:
        store.fail(number, str(outcome.failure), outcome.seconds)
    else:
        store.complete(number, outcome.results, outcome.seconds)


def _tell(watch: Callable[[Store], None] | None, store: Store) -> None:
    if watch is not None:
        watch(store)
