"""Where a sweep keeps its trials: one Optuna study, in a file or a database."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from bayes_guided.exceptions import StorageError

from .coding import decoded, distribution, encoded
from .marker import marked, read_marker, write_marker
from .settings import Sweep
from .storage import connected, local_url, reaching, shown

_IDENTITY, _OBJECTIVES, _TOKEN = (f"bayes_guided.{name}" for name in ("identity", "objectives", "folder"))
_STATES = {TrialState.COMPLETE: "complete", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: its number, the values of the searched settings, and how it went.

    `state` is "running" (or cut off), "complete" or "failed"; `results` are the objectives by name where it is complete, and
    `failure` the traceback where it failed. `seconds` of wall time, None while it runs.
    """

    number: int
    values: dict[str, Any]
    state: str
    results: dict[str, float]
    failure: str | None
    seconds: float | None


class Store:
    """A sweep's study, opened for writing by `open_store` and for reading by `read_sweep`.

    Every method raises StorageError if the database cannot be reached any more.
    """

    def __init__(self, study: optuna.Study, url: str) -> None:
        self._study, self._url = study, url
        with self._reaching():
            self._objectives = dict(study.user_attrs[_OBJECTIVES])

    @property
    def objectives(self) -> dict[str, str]:
        """Names and directions."""
        return self._objectives

    def trials(self) -> list[Trial]:
        """All trials, in order of their numbers."""
        with self._reaching():
            return [self._trial(found) for found in self._study.get_trials(deepcopy=False)]

    def front(self) -> list[Trial]:
        """Complete trials that no other one beats in every objective, from the best to the worst in the first objective."""
        with self._reaching():
            best = [self._trial(found) for found in self._study.best_trials]
        first, direction = next(iter(self.objectives.items()))
        sign = 1 if direction == "minimize" else -1
        return sorted(best, key=lambda trial: (sign * trial.results[first], trial.number))

    def importances(self) -> dict[str, dict[str, float]]:
        """For each objective the share of its variance that each setting explains (fANOVA) [Hutter2014].

        Empty below 4 complete trials; settings and objectives that never varied are left out.
        """
        complete = [trial for trial in self.trials() if trial.state == "complete"]
        if len(complete) < 4:
            return {}
        varied = [name for name in self.objectives if len({trial.results[name] for trial in complete}) > 1]
        return {name: self._importances_for(list(self.objectives).index(name)) for name in varied}

    def add(self, sweep: Sweep, values: dict[str, Any]) -> Trial:
        """Records a trial with these values as running."""
        space = sweep.config.space
        asked = create_trial(
            state=TrialState.RUNNING,
            params={key: encoded(space[key], value) for key, value in values.items()},
            distributions={key: distribution(where) for key, where in space.items()},
        )
        with self._reaching():
            self._study.add_trial(asked)
            return self._trial(self._study.get_trials(deepcopy=False)[-1])

    def complete(self, number: int, results: Sequence[float], seconds: float) -> None:
        """Records a trial's objectives."""
        with self._reaching():
            self._note(number, "seconds", seconds)
            self._study.tell(number, list(results))

    def fail(self, number: int, failure: str, seconds: float) -> None:
        """Records a trial's traceback."""
        with self._reaching():
            self._note(number, "seconds", seconds)
            self._note(number, "failure", failure)
            self._study.tell(number, state=TrialState.FAIL)

    def _importances_for(self, place: int) -> dict[str, float]:
        with self._reaching():
            return optuna.importance.get_param_importances(
                self._study,
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                target=lambda found: found.values[place],
            )

    def _reaching(self) -> AbstractContextManager[None]:
        return reaching(self._url)

    def _note(self, number: int, key: str, value: Any) -> None:
        found = self._study.get_trials(deepcopy=False)[number]
        optuna.trial.Trial(self._study, found._trial_id).set_user_attr(key, value)

    def _trial(self, found: FrozenTrial) -> Trial:
        results = dict(zip(self.objectives, found.values, strict=True)) if found.state == TrialState.COMPLETE else {}
        return Trial(
            number=found.number,
            values={key: decoded(found.distributions[key], value) for key, value in found.params.items()},
            state=_STATES.get(found.state, "running"),
            results=results,
            failure=found.user_attrs.get("failure"),
            seconds=found.user_attrs.get("seconds"),
        )


def open_store(sweep: Sweep, folder: Path) -> Store:
    """The store of a sweep whose runs lie in this folder, made if it is not there yet.

    Raises:
        StorageError: if it cannot be reached, is no store of this version, or holds another sweep under this name, or this
            one with its runs in another folder.
        RunFolderError: if the folder holds another sweep or other files, or cannot be written.
    """
    url = sweep.config.storage or local_url(folder)
    with marked(folder, sweep) as marker:
        study = _opened(sweep, url, marker.token)
        write_marker(folder, replace(marker, storage=None if sweep.config.storage is None else shown(url)))
    return Store(study, url)


def _opened(sweep: Sweep, url: str, token: str) -> optuna.Study:
    config, storage = sweep.config, connected(url)
    directions = list(config.objectives.values())
    with reaching(url):
        study = optuna.create_study(storage=storage, study_name=config.name, directions=directions, load_if_exists=True)
        held, same = study.user_attrs, [direction.name.lower() for direction in study.directions] == directions
        if _IDENTITY not in held and not study.get_trials(deepcopy=False) and same:
            # The identity comes last: without it the study is still to be made.
            held = {_OBJECTIVES: dict(config.objectives), _TOKEN: token, _IDENTITY: sweep.identity}
            for key, value in held.items():
                study.set_user_attr(key, value)
    if held.get(_IDENTITY) != sweep.identity:
        raise StorageError(
            f"the storage '{shown(url)}' holds another sweep under the name '{config.name}': its space, objectives, sampler "
            "or run differ; give this one another 'name', or another 'storage'."
        )
    if held.get(_TOKEN) != token:
        raise StorageError(
            f"the storage '{shown(url)}' holds this sweep, '{config.name}', with its runs in another folder; go on there with "
            "--out, or give this one another 'name'."
        )
    return study


def read_sweep(folder: Path, url: str | None = None) -> Store:
    """The store of the sweep that was started in this folder, for reading; `url` is its storage where that needs a password.

    Raises:
        StorageError: if there is none, or it cannot be reached.
        RunFolderError: if the folder's mark is damaged.
    """
    marker = read_marker(folder)
    url = url or marker.storage or local_url(folder)
    if url == local_url(folder) and not (folder / "sweep.db").exists():
        raise StorageError(
            f"'{folder}' has lost its 'sweep.db'; start the sweep again: finished runs are found and not repeated."
        )
    storage = connected(url)
    with reaching(url):
        try:
            study = optuna.load_study(storage=storage, study_name=marker.name)
        except KeyError as error:
            raise StorageError(f"the storage '{shown(url)}' holds no sweep '{marker.name}'.") from error
        if study.user_attrs.get(_TOKEN) != marker.token:
            raise StorageError(f"the storage '{shown(url)}' holds another sweep under the name '{marker.name}'.")
    return Store(study, url)
