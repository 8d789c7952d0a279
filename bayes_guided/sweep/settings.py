"""Settings of a sweep: many runs of one configuration, with some settings searched."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided.config import RunConfig, parse_config
from bayes_guided.config.loading import read_named, validated
from bayes_guided.config.settings import Settings
from bayes_guided.config.yaml_files import read_yaml
from bayes_guided.exceptions import ConfigError
from bayes_guided.run.metrics import Metrics

from .space import Where

Count = Annotated[int, Field(ge=1)]

_NOT_OF_A_TRIAL = ("seed", "peak_memory_mb")
"""Metrics that say nothing of a trial: its own setting, and a peak that the worker's earlier trials may have set."""


def metric_names() -> list[str]:
    """The numbers of a run that a sweep can optimise."""
    hints, numbers = get_type_hints(Metrics), (int, float, float | None)
    names = [field.name for field in dataclasses.fields(Metrics) if hints[field.name] in numbers]
    return [name for name in names if name not in _NOT_OF_A_TRIAL]


def _measured(name: str) -> str:
    if name not in metric_names():
        raise PydanticCustomError("unknown_name", "unknown name", {"expected": metric_names()})
    return name


class Sampler(Settings):
    """How settings are searched: every combination, at random, or by the tree-structured Parzen estimator [Bergstra2011].

    "tpe" chooses `at_once` trials at a time, knowing the results of those before: what is tried then depends on no worker's
    speed, and so not on their number. Its first `startup` trials are random.
    """

    kind: Literal["grid", "random", "tpe"] = "tpe"
    seed: Annotated[int, Field(ge=0)] = 0
    at_once: Count = 4
    startup: Count = 10


class SweepConfig(Settings):
    """A run's configuration, what is searched in it, and what for.

    `run` is a file beside this one, or the settings themselves. `space` maps dotted settings, such as prior.strength, to
    choices or ranges. `objectives` maps numbers of `metrics.json` to "minimize" or "maximize". `trials` is how many; a grid
    has as many as it has points, or the first `trials` of them. `threads` is what each trial may use; results may depend on it
    in their last bits. `storage` is an Optuna URL; without it, a SQLite file in the sweep's folder. `workers` are local
    processes; as many as the cores allow if it is not given.
    """

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] = "sweep"
    run: str | dict[str, Any]
    space: Annotated[dict[str, Where], Field(min_length=1)]
    objectives: Annotated[
        dict[Annotated[str, AfterValidator(_measured)], Literal["minimize", "maximize"]], Field(min_length=1)
    ]
    sampler: Sampler = Sampler()
    trials: Count | None = None
    threads: Count = 1
    storage: str | None = None
    workers: Count | None = None

    @model_validator(mode="after")
    def _countable(self) -> "SweepConfig":
        endless = [key for key, where in self.space.items() if not where.values]
        if self.sampler.kind == "grid" and endless:
            raise PydanticCustomError(
                "contradiction", "a grid needs 'choices', or 'step' or 'whole' without 'log', for {key}", {"key": endless[0]}
            )
        if self.sampler.kind != "grid" and self.trials is None:
            raise PydanticCustomError("contradiction", "'trials' is missing: only a grid has a number of its own")
        return self

    @model_validator(mode="after")
    def _apart(self) -> "SweepConfig":
        for key in self.space:
            inside = [other for other in self.space if other.startswith(f"{key}.")]
            if inside:
                raise PydanticCustomError(
                    "contradiction", "'space' has both {key} and {part} in it", {"key": key, "part": inside[0]}
                )
            if key == "name" or not all(key.split(".")):
                raise PydanticCustomError("contradiction", "'space' cannot search '{key}'", {"key": key})
        return self

    @property
    def num_trials(self) -> int:
        """How many trials the sweep has."""
        if self.sampler.kind != "grid":
            return self.trials or 0
        points = math.prod(len(where.values) for where in self.space.values())
        return points if self.trials is None else min(points, self.trials)

    def point(self, number: int) -> dict[str, Any]:
        """A grid's point, from 0; the last setting changes fastest."""
        found = {}
        for key, where in reversed(self.space.items()):
            number, place = divmod(number, len(where.values))
            found[key] = where.values[place]
        return {key: found[key] for key in self.space}


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
        """What makes it this sweep, as JSON: everything but how many trials and workers it has and where its store is.

        Of the run that is its first point, completed and with absolute paths. The order of settings and objectives counts: a
        grid's points and the first of the front depend on it.
        """
        settings = self.config.model_dump(mode="json", exclude={"workers", "storage", "run", "trials"})
        run = self.first_run().model_dump(mode="json", exclude_none=True)
        return json.dumps({**settings, "run": json.dumps(run, sort_keys=True)})

    def first_run(self) -> RunConfig:
        """The run at the first point of the space.

        Raises:
            ConfigError, DataFileError: as `run_config`.
        """
        return self.run_config({key: where.first for key, where in self.config.space.items()}, name="first")

    def run_config(self, values: dict[str, Any], *, name: str) -> RunConfig:
        """The configuration of the run with these values of the searched settings.

        Raises:
            ConfigError: if the values make no configuration.
            DataFileError: if the data folder is not there.
        """
        settings: dict[str, Any] = {**self.run, "name": name}
        for key, value in values.items():
            settings = _placed(settings, key.split("."), value, key)
        return parse_config(settings, source="run", folder=self.folder, data_dir=self.data_dir)


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
    sweep.first_run()
    return sweep


def _placed(node: Any, path: Sequence[str], value: Any, key: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise ConfigError(f"'space.{key}': the run has {node!r} where '{path[0]}' should be set, and that has no keys.")
    inner = value if len(path) == 1 else _placed(node.get(path[0], {}), path[1:], value, key)
    return {**node, path[0]: inner}
