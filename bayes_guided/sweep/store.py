"""Where a sweep keeps its trials: one Optuna study, in a file or a database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from bayes_guided.exceptions import StorageError

from .settings import Choices, Range, Sampler, Sweep

NAME_FILE = "name"
"""The file in a sweep's folder that holds its name, by which its store knows it."""
_IDENTITY, _OBJECTIVES = "bayes_guided.identity", "bayes_guided.objectives"


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
    """A sweep's study, opened for writing by `open_store` and for reading by `read_store`."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study

    @property
    def objectives(self) -> dict[str, str]:
        """Names and directions."""
        return dict(self.study.user_attrs[_OBJECTIVES])

    def trials(self) -> list[Trial]:
        """All trials, in order of their numbers."""
        return [self._trial(found) for found in self.study.get_trials(deepcopy=False) if found.state != TrialState.WAITING]

    def front(self) -> list[Trial]:
        """Complete trials that no other one beats in every objective, in order of the first objective."""
        best = [self._trial(found) for found in self.study.best_trials]
        first = next(iter(self.objectives))
        return sorted(best, key=lambda trial: (trial.results[first], trial.number))

    def importances(self) -> dict[str, dict[str, float]]:
        """For each objective the share of its variance that each setting explains (fANOVA) [Hutter2014].

        Empty below 4 complete trials; settings with one value, and objectives that never varied, are left out.
        """
        complete = [trial for trial in self.trials() if trial.state == "complete"]
        if len(complete) < 4:
            return {}
        return {
            name: optuna.importance.get_param_importances(
                self.study,
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                target=lambda found, place=place: found.values[place],
            )
            for place, name in enumerate(self.objectives)
            if len({trial.results[name] for trial in complete}) > 1
        }

    def ask(self, sweep: Sweep) -> Trial:
        """Chooses the next trial's values and records it as running; a function of the trials before and its number only."""
        number = len(self.study.get_trials(deepcopy=False))
        if sweep.config.sampler.kind == "grid":
            point = next(point for place, point in enumerate(sweep.config.grid()) if place == number)
            self.study.enqueue_trial({key: _coded(sweep.config.space[key], value) for key, value in point.items()})
        self.study.sampler = _sampler(sweep.config.sampler, number)
        asked = self.study.ask({key: _distribution(where) for key, where in sweep.config.space.items()})
        return self._trial(self.study.get_trials(deepcopy=False)[asked.number])

    def complete(self, number: int, results: Sequence[float], seconds: float) -> None:
        """Records a trial's objectives."""
        self._note(number, "seconds", seconds)
        self.study.tell(number, list(results))

    def fail(self, number: int, failure: str, seconds: float) -> None:
        """Records a trial's traceback."""
        self._note(number, "seconds", seconds)
        self._note(number, "failure", failure)
        self.study.tell(number, state=TrialState.FAIL)

    def _note(self, number: int, key: str, value: Any) -> None:
        found = self.study.get_trials(deepcopy=False)[number]
        optuna.trial.Trial(self.study, found._trial_id).set_user_attr(key, value)

    def _trial(self, found: FrozenTrial) -> Trial:
        states = {TrialState.COMPLETE: "complete", TrialState.FAIL: "failed"}
        results = dict(zip(self.objectives, found.values, strict=True)) if found.state == TrialState.COMPLETE else {}
        return Trial(
            number=found.number,
            values={key: _decoded(found.distributions[key], value) for key, value in found.params.items()},
            state=states.get(found.state, "running"),
            results=results,
            failure=found.user_attrs.get("failure"),
            seconds=found.user_attrs.get("seconds"),
        )


def open_store(sweep: Sweep, folder: Path) -> Store:
    """The store of a sweep, made if it is not there yet.

    Raises:
        StorageError: if it cannot be reached, is no store of this version, or holds another sweep under this name.
    """
    config = sweep.config
    url = config.storage or _local(folder, make=True)
    study = _reached(
        url,
        lambda storage: optuna.create_study(
            storage=storage, study_name=config.name, directions=list(config.objectives.values()), load_if_exists=True
        ),
    )
    held = study.user_attrs.get(_IDENTITY)
    if held is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_OBJECTIVES, dict(config.objectives))
        study.set_user_attr(_IDENTITY, sweep.identity)
    elif held != sweep.identity:
        raise StorageError(
            f"the storage '{_shown(url)}' holds another sweep under the name '{config.name}': its space, objectives, sampler "
            "or run differ; give this one another 'name', or another 'storage'."
        )
    return Store(study)


def read_sweep(folder: Path, url: str | None = None) -> Store:
    """The store of the sweep that was started in this folder, for reading; `url` is its storage, if not in the folder.

    Raises:
        StorageError: if there is none, or it cannot be reached.
    """
    try:
        name = (folder / NAME_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StorageError(
            f"'{folder}' holds no sweep: '{NAME_FILE}' is not there; give a folder that `sweep` made."
        ) from error
    url = url or _local(folder, make=False)
    study = _reached(url, lambda storage: optuna.load_study(storage=storage, study_name=name))
    if _OBJECTIVES not in study.user_attrs:
        raise StorageError(f"the study '{name}' in '{_shown(url)}' was not made by a sweep of bayes_guided.")
    return Store(study)


def _reached(url: str, use: Any) -> optuna.Study:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return use(optuna.storages.get_storage(url))
    except KeyError as error:
        raise StorageError(f"the storage '{_shown(url)}' holds no sweep of that name ({error}).") from error
    except (SQLAlchemyError, ImportError, RuntimeError, ValueError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StorageError(
            f"the storage '{_shown(url)}' cannot be used ({type(error).__name__}: {reason}); check the address and that the "
            "server runs."
        ) from error
    finally:
        optuna.logging.set_verbosity(before)


def _local(folder: Path, *, make: bool) -> str:
    place = (folder / "sweep.db").resolve()
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        raise StorageError(f"there is no '{place}': no sweep was started in this folder, or it has another 'storage'.")
    return f"sqlite:///{place}"


def _shown(url: str) -> str:
    """The address without a password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if "@" in rest else url


def _distribution(where: Choices | Range) -> BaseDistribution:
    if isinstance(where, Choices):
        return CategoricalDistribution([json.dumps(value, sort_keys=True) for value in where.choices])
    if where.whole:
        return IntDistribution(round(where.low), round(where.high), log=where.log, step=round(where.step or 1))
    return FloatDistribution(where.low, where.high, log=where.log, step=where.step)


def _coded(where: Choices | Range, value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(where, Choices) else value


def _decoded(distribution: BaseDistribution, value: Any) -> Any:
    return json.loads(value) if isinstance(distribution, CategoricalDistribution) else value


def _sampler(settings: Sampler, number: int) -> BaseSampler:
    """A sampler that depends on the trial's number only, so that a sweep that was killed goes on to the same trials."""
    seed = (settings.seed * 1_000_003 + number) % 2**32
    if settings.kind == "tpe":
        return TPESampler(seed=seed, n_startup_trials=settings.startup, multivariate=False)
    return RandomSampler(seed=seed)
