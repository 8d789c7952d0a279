"""What a sweep tries next: a function of its settings and of the trials before."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from .coding import as_written, decoded, distribution, encoded
from .quiet import quiet_optuna
from .settings import SweepConfig
from .store import Trial


def next_values(config: SweepConfig, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """The searched settings of the trial that follows these; None if that has to wait for some of them, or there is none.

    "tpe" knows the results of the rounds before, and of its own round only what is being tried, which it then avoids. So a
    sweep comes to the same trials with any number of workers, after being killed, and when it is extended.
    """
    number = len(trials)
    if number >= config.num_trials:
        return None
    sampler = config.sampler
    if sampler.kind == "grid":
        return config.point(number)
    if sampler.kind == "random":
        return _drawn(config, [], RandomSampler(seed=_seed(config, number)))
    start = number - number % sampler.at_once
    if any(trial.state == "running" for trial in trials[:start]):
        return None
    known = [_frozen(config, trial) for trial in trials[:start] if trial.state == "complete"]
    tried = [_frozen(config, trial, unknown=True) for trial in trials[start:]]
    return _drawn(config, [*known, *tried], _tpe(config, number))


def _drawn(config: SweepConfig, history: Sequence[FrozenTrial], sampler: BaseSampler) -> dict[str, Any]:
    with quiet_optuna():
        study = optuna.create_study(directions=list(config.objectives.values()), sampler=sampler)
        study.add_trials(history)
        space = {key: distribution(where) for key, where in config.space.items()}
        drawn = study.ask(space).params
    return {key: as_written(where, decoded(space[key], drawn[key])) for key, where in config.space.items()}


def _frozen(config: SweepConfig, trial: Trial, *, unknown: bool = False) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING if unknown else TrialState.COMPLETE,
        params={key: encoded(where, trial.values[key]) for key, where in config.space.items()},
        distributions={key: distribution(where) for key, where in config.space.items()},
        values=None if unknown else list(trial.results.values()),
    )


def _tpe(config: SweepConfig, number: int) -> BaseSampler:
    return TPESampler(
        seed=_seed(config, number), n_startup_trials=config.sampler.startup, multivariate=True, constant_liar=True
    )


def _seed(config: SweepConfig, number: int) -> int:
    return int(np.random.SeedSequence([config.sampler.seed, number]).generate_state(1)[0])
