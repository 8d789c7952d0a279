"""A configuration is read whole, or refused with the dotted path and what is known there."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from bayes_guided import fit_map
from bayes_guided.config import RunConfig, load_config, parse_config, to_yaml
from bayes_guided.exceptions import ConfigError

MINIMAL: dict[str, Any] = {
    "net": {"name": "mlp", "settings": {"hidden": [8]}},
    "data": {"kind": "digits"},
    "prior": {"strength": 2.0},
}


def parse(*overrides: str, **changes: Any) -> RunConfig:
    return parse_config({**MINIMAL, **changes}, source="here", folder=Path(), overrides=overrides)


def refusal(*overrides: str, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(*overrides, **changes)
    return str(caught.value)


def test_defaults_are_those_of_fit_map() -> None:
    defaults = inspect.signature(fit_map).parameters
    for name, value in parse().fit.arguments.items():
        assert value == defaults[name].default, name


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("fit.epoch=3", ["unknown key 'fit.epoch'", "'fit.epochs'"]),
        ("ned.name=mlp", ["unknown key 'ned'", "'net'"]),
        ("data={kind: csv, path: a, task: regression, targt: 1}", ["unknown key 'data.targt'", "'data.target'"]),
        ("prior.guidance={profile: linear, powr: 2}", ["unknown key 'prior.guidance.powr'"]),
        ("prior.guidance={profile: polynomial, powr: 2}", ["'prior.guidance.powr'", "'prior.guidance.power'"]),
        ("fit.epochs=many", ["'fit.epochs' is 'many'", "integer"]),
        ("fit.epochs='3'", ["'fit.epochs' is '3'", "integer"]),
        ("fit.epochs=0", ["'fit.epochs' is 0", "greater than or equal to 1"]),
        ("fit.epochs=", ["'fit.epochs' is None", "integer"]),
        ("fit.lr=.nan", ["'fit.lr' is nan", "finite"]),
        ("fit.schedule=cosin", ["'fit.schedule' is 'cosin'", "'cosine'", "constant"]),
        ("seed=true", ["'seed' is True", "integer"]),
        ("name=a/b", ["'name' is 'a/b'"]),
        ("prior.strength=-1", ["'prior.strength' is -1", "greater than 0"]),
        ("prior.family=GroupLasso", ["'prior.family' is 'GroupLasso'", "'GroupLaplace'"]),
        ("prior.guidance=linaer", ["'linaer'", "'linear'", "exponential"]),
        ("prior.guidance=polynomial", ["'prior.guidance.power' is missing"]),
        ("prior.across=mac", ["'prior.across' is 'mac'", "'macs'"]),
        ("prior.across={layers.0: -2}", ["'prior.across.layers.0' is -2"]),
        ("prior.mix=0.5", ["'prior'", "'mix' belongs to SparseGroupLaplace"]),
        ("net.name=resnet", ["'net.name' is 'resnet'", "'resnet20'"]),
        ("net={}", ["'net'", "'name'", "'module'"]),
        ("net={name: mlp, module: 'a.py:f'}", ["'net'", "either"]),
        ("data={}", ["'data.kind' is missing"]),
        ("data.kind=idy", ["'data.kind' is 'idy'", "'idx'"]),
        ("data={kind: csv}", ["'data.path' is missing", "'data.task' is missing"]),
        ("data=3", ["'data' is 3", "mapping"]),
        ("prior=", ["'prior' is None", "mapping"]),
        ("data.validation=1.0", ["'data.validation' is 1.0", "less than 1"]),
        ("net.settings=[1]", ["'net.settings'", "mapping"]),
        ("net.protect=[1]", ["'net.protect.0' is 1", "string"]),
        ("fit.epochs.x=3", ["--set fit.epochs.x=3", "no keys"]),
        ("nonsense", ["'--set nonsense'", "VALUE"]),
        ("=3", ["'--set =3'", "VALUE"]),
        ("fit=[1", ["--set fit=[1", "YAML"]),
    ],
)
def test_refusal_names_the_path_and_what_is_known(override: str, expected: list[str]) -> None:
    message = refusal(override, fit={"epochs": 1})
    assert all(part in message for part in expected), message


def test_all_problems_are_named_at_once() -> None:
    message = refusal("fit.epochs=0", "seed=-1", "prior.strength=x")
    assert all(path in message for path in ("'fit.epochs'", "'seed'", "'prior.strength'"))


@pytest.mark.parametrize("raw", [None, [], "text", 3])
def test_no_mapping_is_refused(raw: Any) -> None:
    with pytest.raises(ConfigError, match="mapping"):
        parse_config(raw, source="here", folder=Path())


def test_overrides_set_nested_values_in_order() -> None:
    config = parse("fit.lr=1e-3", "fit.epochs=5", "fit.epochs=6", "prior.guidance={profile: step, free: 2}")
    assert (config.fit.lr, config.fit.epochs) == (1e-3, 6)
    assert config.prior.guidance.model_dump() == {"profile": "step", "free": 2.0}


@pytest.mark.parametrize(
    "prior",
    [
        {"strength": 2, "guidance": "constant", "across": "macs"},
        {"strength": 2.5, "guidance": {"profile": "exponential", "rate": 2}, "across": {"layers.0": 2}},
        {"strength": 1, "guidance": {"profile": "cost", "kind": "macs"}, "across": {"profile": "polynomial", "power": 2}},
        {"strength": 1, "family": "SparseGroupLaplace", "mix": 0.25, "rest": 1, "penalised": "norm"},
    ],
)
@pytest.mark.parametrize(
    "data",
    [
        {"kind": "digits", "validation": 0.1},
        {"kind": "idx", "folder": "/data/mnist", "flat": False},
        {"kind": "csv", "path": "/data/a.csv", "task": "regression", "target": "y", "delimiter": ";"},
        {"kind": "npz", "path": "/data/a.npz", "seed": 4},
    ],
)
def test_yaml_round_trip(prior: dict[str, Any], data: dict[str, Any]) -> None:
    config = parse(prior=prior, data=data, baseline=True)
    again = parse_config(yaml.safe_load(to_yaml(config)), source="again", folder=Path("/elsewhere"))
    assert again == config


def test_file_gives_the_name_and_the_folder_of_relative_paths(tmp_path: Path) -> None:
    path = tmp_path / "my first run.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "data": {"kind": "npz", "path": "sub/a.npz"}}))
    config = load_config(path)
    assert config.name == "my-first-run"
    assert config.data.model_dump()["path"] == tmp_path / "sub" / "a.npz"
    assert load_config(path, overrides=["name=other"]).name == "other"


def test_missing_unreadable_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml.*No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "binary.yaml")
