"""A sweep's file: what it says, what is refused with its place, and what makes it the same sweep."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bayes_guided.exceptions import ConfigError
from bayes_guided.sweep import SweepConfig, load_sweep
from tests.sweep.conftest import MakeSweep, sweep_settings, write_sweep


def test_a_run_in_a_file_of_its_own_is_the_same_sweep(tmp_path: Path) -> None:
    inside = load_sweep(write_sweep(tmp_path))
    settings = sweep_settings()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings["run"], sort_keys=False))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**settings, "run": "run.yaml"}, sort_keys=False))
    assert load_sweep(tmp_path / "small.yaml").identity == inside.identity
    assert inside.config.name == "small"


def test_values_go_where_they_belong(make_sweep: MakeSweep) -> None:
    space = {
        "prior.strength": {"low": 1e-5, "high": 1.0},
        "fit.lr": {"choices": [0.5]},
        "net.settings": {"choices": [{"hidden": 7}]},
    }
    sweep = make_sweep(space=space)
    config = sweep.run_config({"prior.strength": 1e-5, "fit.lr": 0.5, "net.settings": {"hidden": 7}}, name="0007")
    assert (config.name, config.prior.strength, config.fit.arguments["lr"]) == ("0007", 1e-5, 0.5)
    assert config.net.settings == {"hidden": 7}


def test_the_data_can_be_searched(make_sweep: MakeSweep) -> None:
    space = {"data.limit": {"choices": [20, 30]}, "data.label_noise": {"low": 0.0, "high": 0.4, "step": 0.2}}
    sweep = make_sweep(space=space, sampler={"kind": "grid"}, trials=None)
    runs = [sweep.run_config(sweep.config.point(number), name="one") for number in range(sweep.config.num_trials)]
    found = [(run.data.limit, run.data.label_noise) for run in runs]
    assert found == list(itertools.product([20, 30], [0.0, 0.2, 0.4]))


def test_the_grid_is_the_product(make_sweep: MakeSweep) -> None:
    space = {
        "prior.strength": {"choices": [1.0, 2.0]},
        "fit.epochs": {"low": 1, "high": 3, "whole": True},
        "seed": {"choices": [0, 5]},
    }
    config = make_sweep(space=space, sampler={"kind": "grid"}, trials=None).config
    points = [config.point(number) for number in range(config.num_trials)]
    assert [tuple(point.values()) for point in points] == list(itertools.product([1.0, 2.0], [1, 2, 3], [0, 5]))
    assert list(points[0]) == list(space)
    assert make_sweep(space=space, sampler={"kind": "grid"}, trials=5).config.num_trials == 5


def test_identity(make_sweep: MakeSweep) -> None:
    one = make_sweep()
    for same in ({"trials": 50}, {"workers": 7}, {"storage": "sqlite:///a.db"}):
        assert make_sweep(**same).identity == one.identity, same
    other_run = {**sweep_settings()["run"], "seed": 3}
    turned = {"space": dict(reversed(sweep_settings()["space"].items()))}
    for other in (
        {"threads": 2},
        turned,
        {"objectives": {"test_error": "minimize"}},
        {"sampler": {"seed": 1}},
        {"run": other_run},
    ):
        assert make_sweep(**other).identity != one.identity, other
    # What is searched has no value of its own.
    strength = {**sweep_settings()["run"], "prior": {"strength": 77.0}}
    assert make_sweep(run=strength).identity == one.identity
    assert replace(one, data_dir=Path.cwd()).identity != one.identity


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": {}}, "unknown key 'objective', the nearest known one is 'objectives'"),
        (
            {"objectives": {"test_eror": "minimize"}},
            "'objectives.test_eror' is 'test_eror', the nearest known one is 'test_error'",
        ),
        ({"objectives": {"test_error": "minimise"}}, "nearest known one is 'minimize'"),
        ({"objectives": {"peak_memory_mb": "minimize"}}, "the nearest known one is"),
        ({"space": {"prior.strength": {"low": 2.0, "high": 1.0}}}, "'space.prior.strength': 'low' must be below 'high'"),
        ({"space": {"prior.strength": {"low": 2.0, "hihg": 3.0}}}, "unknown key 'space.prior.strength.hihg'"),
        (
            {"space": {"prior.strenght": {"choices": [1.0]}}},
            "unknown key 'prior.strenght', the nearest known one is 'prior.strength'",
        ),
        ({"space": {"net.module.x": {"choices": [1]}}}, "that has no keys"),
        ({"space": {"fit": {"choices": [{}]}, "fit.lr": {"choices": [1.0]}}}, "both fit and fit.lr"),
        ({"space": {"name": {"choices": ["a"]}}}, "cannot search 'name'"),
        ({"sampler": {"kind": "grid"}}, "a grid needs"),
        ({"sampler": {"kind": "random"}, "trials": None}, "'trials' is missing"),
        ({"run": "none.yaml"}, "none.yaml' cannot be read"),
        ({"name": "../up"}, "'name'"),
    ],
)
def test_refusals(make_sweep: MakeSweep, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_sweep(**changes)
    assert said in str(caught.value)


def test_objectives_are_numbers_of_a_run() -> None:
    config = SweepConfig.model_validate(sweep_settings(objectives={"macs_after": "minimize", "validation_error": "minimize"}))
    assert list(config.objectives) == ["macs_after", "validation_error"]
