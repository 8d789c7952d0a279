"""Settings of a sweep: many runs of one configuration, with some settings searched."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided.config import RunConfig, parse_config
from bayes_guided.config.loading import read_named, validated
from bayes_guided.config.settings import Settings
from bayes_guided.config.yaml_files import read_yaml
from bayes_guided.exceptions import ConfigError
from bayes_guided.run.metrics import Metrics

Count = Annotated[int, Field(ge=1)]


class Choices(Settings):
    """One of these values, of any kind that YAML has."""

    choices: Annotated[list[Any], Field(min_length=1)]

    @property
    def values(self) -> list[Any]:
        """All of them."""
        return self.choices


class Range(Settings):
    """A number from `low` to `high`, on a `log` scale, in a `step`, or `whole`."""

    low: float
    high: float
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _possible(self) -> "Range":
        if not self.low < self.high:
            raise PydanticCustomError("contradiction", "'low' must be below 'high'")
        if self.log and (self.low <= 0 or self.step is not None):
            raise PydanticCustomError("contradiction", "a 'log' range starts above 0 and has no 'step'")
        if self.whole and any(value != round(value) for value in (self.low, self.high, self.step or 1)):
            raise PydanticCustomError("contradiction", "a 'whole' range has whole 'low', 'high' and 'step'")
        return self

    @property
    def values(self) -> list[Any]:
        """All of them, for a grid; empty where there are infinitely many."""
        step = self.step or (1.0 if self.whole and not self.log else None)
        if step is None:
            return []
        count = int((self.high - self.low) / step + 1e-9) + 1
        found = [self.low + place * step for place in range(count)]
        return [round(value) for value in found] if self.whole else found


class Sampler(Settings):
    """How settings are searched: every combination, at random, or by the tree-structured Parzen estimator [Bergstra2011].

    `at_once` trials are asked for together, knowing the results of those before; the order in which workers finish then has no
    say in what is tried. The first `startup` trials of "tpe" are random.
    """

    kind: Literal["grid", "random", "tpe"] = "tpe"
    seed: Annotated[int, Field(ge=0)] = 0
    at_once: Count = 4
    startup: Annotated[int, Field(ge=1)] = 10


class SweepConfig(Settings):
    """A run's configuration, what is searched in it, and what for.

    `run` is a file beside this one, or the settings themselves. `space` maps dotted settings, such as prior.strength, to
    choices or ranges. `objectives` maps numbers of `metrics.json` to "minimize" or "maximize". `trials` is how many; a grid
    has as many as it has points. `storage` is an Optuna URL; without it, a SQLite file in the sweep's folder. `workers` are
    local processes, with the machine's threads shared among them.
    """

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] = "sweep"
    run: str | dict[str, Any]
    space: Annotated[dict[str, Choices | Range], Field(min_length=1)]
    objectives: Annotated[dict[str, Literal["minimize", "maximize"]], Field(min_length=1)]
    sampler: Sampler = Sampler()
    trials: Count | None = None
    storage: str | None = None
    workers: Count = 2

    @field_validator("objectives")
    @classmethod
    def _measured(cls, objectives: dict[str, str]) -> dict[str, str]:
        known = metric_names()
        for name in objectives:
            if name not in known:
                raise PydanticCustomError("unknown_name", "unknown name", {"expected": known})
        return objectives

    @model_validator(mode="after")
    def _countable(self) -> "SweepConfig":
        endless = [key for key, where in self.space.items() if not where.values]
        if self.sampler.kind == "grid" and endless:
            raise PydanticCustomError(
                "contradiction", "a grid needs 'choices', 'whole' or a 'step' for {key}", {"key": endless[0]}
            )
        if self.sampler.kind != "grid" and self.trials is None:
            raise PydanticCustomError("contradiction", "'trials' is missing: only a grid has a number of its own")
        return self

    @property
    def num_trials(self) -> int:
        """How many trials the sweep has."""
        points = 1
        for where in self.space.values():
            points *= len(where.values)
        if self.sampler.kind != "grid":
            return self.trials or 0
        return points if self.trials is None else min(points, self.trials)

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every combination, the last setting changing fastest."""
        for values in itertools.product(*(where.values for where in self.space.values())):
            yield dict(zip(self.space, values, strict=True))


@dataclass(frozen=True)
class Sweep:
    """A sweep ready to run: its settings, and the run's as they stand in their own file.

    `folder` is what relative paths of the run are relative to; relative data paths lie in `data_dir` if it is given.
    """

    config: SweepConfig
    run: dict[str, Any]
    folder: Path
    data_dir: Path | None = None

    @property
    def identity(self) -> str:
        """What makes it this sweep, as JSON: everything but how many workers do it and where its store is."""
        settings = self.config.model_dump(mode="json", exclude={"workers", "storage", "run", "trials"})
        return json.dumps({**settings, "run": self.run}, sort_keys=True)

    def run_config(self, values: dict[str, Any], *, name: str) -> RunConfig:
        """The configuration of the run with these values of the searched settings.

        Raises:
            ConfigError: if the values make no configuration.
            DataFileError: if the data folder is not there.
        """
        overrides = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        return parse_config(
            {**self.run, "name": name}, source="run", folder=self.folder, overrides=overrides, data_dir=self.data_dir
        )


def load_sweep(path: str | Path, *, overrides: Sequence[str] = (), data_dir: Path | None = None) -> Sweep:
    """The sweep that a YAML file describes.

    Raises:
        ConfigError: for a file that is missing or no YAML, an unknown key, a wrong type or a value out of range, with the
            dotted path of each; also if the first point of the space makes no configuration of a run.
        DataFileError: if the data folder is not there.
    """
    path = Path(path)
    config = validated(SweepConfig, read_named(path), source=str(path), overrides=overrides)
    place = path.parent / config.run if isinstance(config.run, str) else path
    raw = read_yaml(place) if isinstance(config.run, str) else config.run
    if not isinstance(raw, dict):
        raise ConfigError(f"'{place}' holds no configuration of a run.")
    sweep = Sweep(config, raw, place.parent.resolve(), data_dir)
    sweep.run_config({key: (where.values or [where.low])[0] for key, where in config.space.items()}, name="first")
    return sweep


def metric_names() -> list[str]:
    """The numbers of a run that a sweep can optimise."""
    hints = get_type_hints(Metrics)
    return [field.name for field in dataclasses.fields(Metrics) if hints[field.name] in (int, float, float | None)]
