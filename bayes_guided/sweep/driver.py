"""The sweep itself: asks for trials, has workers do them, records how they went."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from bayes_guided.config import to_yaml
from bayes_guided.exceptions import BayesGuidedError, SchedulerError

from .asking import next_values
from .lock import locked
from .settings import Sweep
from .store import Store, Trial, open_store
from .trial import Outcome, run_trial
from .workers import num_workers, workers

Watch = Callable[[Store, int], None]
"""Called with the store and the present number of workers."""

_SECONDS_BETWEEN_LOOKS = 1.0
"""How long new workers of a cluster, and a scheduler that is gone, may go unnoticed."""

_LOST = "the connection to the scheduler is lost; what is done is kept: start the sweep again to go on."


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep: its folder and its store."""

    folder: Path
    store: Store


def run_sweep(sweep: Sweep, folder: str | Path, *, scheduler: str | None = None, watch: Watch | None = None) -> SweepResult:
    """Does all trials of a sweep that are not done yet; their run folders are `trials/0000`, `trials/0001`, ...

    A sweep that was killed goes on where it was: trials that finished are not repeated, those that were cut off go on from
    their checkpoints, and the same trials follow as if nothing had happened. A trial that fails, or kills its workers three
    times, is recorded as failed with the reason. `scheduler` is the address of a Dask scheduler whose workers see the same
    files. `watch` is called after each change and about once a second.

    Local workers are spawned processes: a script calls this under `if __name__ == "__main__":`.

    Raises:
        StorageError: if the storage cannot be reached, or holds another sweep.
        SchedulerError: if the scheduler cannot be reached, or its workers cannot do any trial.
        RunFolderError: if the folder holds anything else, cannot be written, or another process is at this sweep.
        ConfigError: if the local workers would have more threads than there are cores.
    """
    folder = Path(folder).resolve()
    with locked(folder):
        store = open_store(sweep, folder)
        trials = store.trials()
        if len(trials) < sweep.config.num_trials or any(trial.state == "running" for trial in trials):
            with workers(sweep.config.workers, sweep.config.threads, scheduler) as client:
                _Drive(sweep, store, client, folder, watch).go()
    return SweepResult(folder, store)


class _Drive:
    """As many trials at once as there are workers, until there are no more."""

    def __init__(self, sweep: Sweep, store: Store, client: Client, folder: Path, watch: Watch | None) -> None:
        self._sweep, self._store, self._client, self._folder, self._watch = sweep, store, client, folder, watch
        self._cut_off = deque(trial for trial in store.trials() if trial.state == "running")
        self._running: dict[Future, int] = {}
        self._ended: SimpleQueue[Future] = SimpleQueue()

    def go(self) -> None:
        while True:
            present = self._num_workers()
            self._fill(max(1, present))
            if self._watch is not None:
                self._watch(self._store, present)
            if not self._running:
                return
            for future in self._finished():
                self._record(self._running.pop(future), future)

    def _num_workers(self) -> int:
        if self._client.status != "running":
            raise SchedulerError(_LOST)
        return num_workers(self._client)

    def _fill(self, places: int) -> None:
        while len(self._running) < places:
            trial = self._cut_off.popleft() if self._cut_off else self._asked()
            if trial is None:
                return
            self._submit(trial)

    def _asked(self) -> Trial | None:
        values = next_values(self._sweep.config, self._store.trials())
        return None if values is None else self._store.add(self._sweep, values)

    def _submit(self, trial: Trial) -> None:
        name = f"{trial.number:04d}"
        place = str(self._folder / "trials" / name)
        try:
            settings = to_yaml(self._sweep.run_config(trial.values, name=name))
        except BayesGuidedError as error:
            self._store.fail(trial.number, f"{type(error).__name__}: {error}", 0.0)
            return
        objectives, threads = list(self._store.objectives), self._sweep.config.threads
        future = self._client.submit(run_trial, settings, place, objectives, threads, key=place, pure=False)
        self._running[future] = trial.number
        future.add_done_callback(self._ended.put)

    def _finished(self) -> list[Future]:
        """Those that have ended in some way; empty if none has in the time between looks."""
        with suppress(Empty):
            return [self._ended.get(timeout=_SECONDS_BETWEEN_LOOKS)]
        return []

    def _record(self, number: int, future: Future) -> None:
        try:
            outcome: Outcome = future.result()
        except KilledWorker as error:
            died = error.allowed_failures + 1
            reason = f"KilledWorker: the trial's worker died {died} times (too little memory? a crash in native code?)"
            self._store.fail(number, reason, 0.0)
            return
        except CancelledError as error:
            raise SchedulerError(_LOST) from error
        except Exception as error:
            raise SchedulerError(
                f"the workers could not even start trial {number} ({type(error).__name__}: {error}); install the same "
                "packages there, then start the sweep again to go on: what is done is kept."
            ) from error
        if outcome.results is None:
            self._store.fail(number, str(outcome.failure), outcome.seconds)
        else:
            self._store.complete(number, outcome.results, outcome.seconds)
