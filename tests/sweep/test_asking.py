"""What is tried next follows from settings and finished rounds, and from nothing else."""

from dataclasses import replace
from typing import Any

import optuna
import pytest

from bayes_guided.sweep import SweepConfig, Trial
from bayes_guided.sweep.asking import next_values
from tests.sweep.conftest import sweep_settings

SPACE = {
    "prior.strength": {"low": 0.01, "high": 10.0, "log": True},
    "prior.rest": {"low": 0.1, "high": 1.0, "step": 0.3},
    "fit.epochs": {"low": 1, "high": 9, "whole": True},
    "net.settings.hidden": {"choices": [[8, 4], [4], []]},
}


def config(**changes: Any) -> SweepConfig:
    sampler = {"kind": "tpe", "startup": 4, "at_once": 3}
    return SweepConfig.model_validate(sweep_settings(**{"space": SPACE, "sampler": sampler, "trials": 14, **changes}))


def done(trial: Trial) -> Trial:
    """The trial with results that depend on its values; every fifth fails."""
    if trial.number % 5 == 4:
        return replace(trial, state="failed", failure="no")
    strength, epochs = trial.values["prior.strength"], trial.values["fit.epochs"]
    return replace(trial, state="complete", results={"test_nll": (strength - 1) ** 2, "parameters_after": epochs / strength})


def asked(settings: SweepConfig, until: int, *, at_once: int) -> list[Trial]:
    """The trials that so many workers come to; those that are running finish in reverse order."""
    trials: list[Trial] = []
    while len(trials) < until or any(trial.state == "running" for trial in trials):
        running = [trial for trial in trials if trial.state == "running"]
        values = next_values(settings, trials) if len(running) < at_once and len(trials) < until else None
        if values is not None:
            trials.append(Trial(len(trials), values, "running", {}, None, None))
        else:
            last = running[-1]
            trials[last.number] = done(last)
    return trials


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_any_number_of_workers_comes_to_the_same_trials(kind: str) -> None:
    settings = config(sampler={"kind": kind, "startup": 4, "at_once": 3})
    alone = asked(settings, 14, at_once=1)
    assert [asked(settings, 14, at_once=number) for number in (2, 3, 20)] == [alone] * 3
    assert next_values(settings, alone) is None
    other = asked(config(sampler={"kind": kind, "startup": 4, "at_once": 3, "seed": 1}), 14, at_once=2)
    assert all(one.values != two.values for one, two in zip(alone, other, strict=True))


def test_a_sweep_that_was_stopped_in_mid_round_and_extended_is_the_longer_one() -> None:
    whole = asked(config(), 14, at_once=2)
    shorter = asked(config(trials=7), 7, at_once=2)
    assert shorter == whole[:7]
    assert next_values(config(trials=7), shorter) is None
    assert next_values(config(), shorter) == whole[7].values


def test_tpe_waits_for_the_rounds_before_only() -> None:
    trials = asked(config(), 7, at_once=2)
    running = [replace(trial, state="running", results={}) for trial in trials]
    assert next_values(config(), [*trials[:6], running[6]]) == next_values(config(), trials)
    assert next_values(config(), [*trials[:5], running[5], trials[6]]) is None
    unordered = config(sampler={"kind": "random"})
    assert next_values(unordered, running) is not None


def test_tpe_learns() -> None:
    settings = config(trials=60, space={"prior.strength": SPACE["prior.strength"]}, objectives={"test_nll": "minimize"})
    trials: list[Trial] = []
    while (values := next_values(settings, trials)) is not None:
        results = {"test_nll": (values["prior.strength"] - 1) ** 2}
        trials.append(Trial(len(trials), values, "complete", results, None, 1.0))
    assert len(trials) == 60
    late = [abs(trial.values["prior.strength"] - 1) < 0.5 for trial in trials[30:]]
    # A log-uniform draw from 0.01 to 10 lies in 0.5 to 1.5 with probability 0.16: 30 draws, four standard deviations more.
    assert sum(late) > 30 * 0.16 + 4 * (30 * 0.16 * 0.84) ** 0.5


def test_values_are_as_written() -> None:
    trials = asked(config(sampler={"kind": "random"}, trials=40), 40, at_once=40)
    assert {trial.values["prior.rest"] for trial in trials} == {0.1, 0.4, 0.7, 1.0}
    assert {type(trial.values["fit.epochs"]) for trial in trials} == {int}
    assert {str(trial.values["net.settings.hidden"]) for trial in trials} == {"[8, 4]", "[4]", "[]"}
    assert all(0.01 <= trial.values["prior.strength"] <= 10 for trial in trials)


def test_optuna_is_quiet_and_left_as_it_was(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    before = optuna.logging.get_verbosity()
    asked(config(), 7, at_once=1)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")
    assert not list(recwarn)
