"""A configuration is read whole, or refused with the dotted path and what is known there."""

import inspect
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from pyro.infer.autoguide import AutoGuide

from bayes_guided import fit_ensemble, fit_map, fit_mcmc, fit_svi
from bayes_guided.architecture import Architecture
from bayes_guided.config import NetSettings, RunConfig, SVISettings, load_config, parse_config, to_yaml
from bayes_guided.config.svi import CONTINUOUS_ONLY, MODELS_ONLY, PyroGuide
from bayes_guided.exceptions import ConfigError
from bayes_guided.priors import GammaStrength

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


FUNCTIONS = {"map": fit_map, "svi": fit_svi, "ensemble": fit_ensemble, "mcmc": fit_mcmc}
OF_THE_RUN = {"net", "prior", "data", "likelihood", "validation", "seed", "device", "checkpoint", "progress"}
"""What the run gives to every fit."""
MODELS: dict[str, Any] = {"kind": "independent", "strength": 1.0}


@pytest.mark.parametrize("method", FUNCTIONS)
def test_options_and_defaults_are_those_of_the_function(method: str) -> None:
    parameters = inspect.signature(FUNCTIONS[method]).parameters
    arguments = parse(fit={"method": method}, compare={"tau": 1.0}).fit.arguments
    # By seconds only: how many steps are half a minute's work, nobody knows beforehand.
    assert set(arguments) == set(parameters) - OF_THE_RUN - {"checkpoint_steps"}
    for name, value in arguments.items():
        assert value == parameters[name].default, name


def test_map_is_the_method_if_none_is_named() -> None:
    assert parse(fit={"epochs": 3}).fit == parse(fit={"method": "map", "epochs": 3}).fit


def test_names_and_mappings_become_what_fit_svi_takes() -> None:
    arguments = parse(fit={"method": "svi", "strength": {"shape": 2, "rate": 4.0}}).fit.arguments
    assert arguments["strength"] == GammaStrength(2.0, 4.0)
    for name in get_args(PyroGuide):
        guide = parse(fit={"method": "svi", "guide": name}, compare={"tau": 1.0}).fit.arguments["guide"]
        assert issubclass(guide, AutoGuide)
        assert guide.__name__ == name


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method": "svi"}, ["'method' belongs elsewhere", "'fit.method'"]),
        ({"epochs": 3}, ["'fit.epochs'"]),
        ({"family": "Laplace"}, ["'prior.family'"]),
        ({"tau": 3}, ["'compare.tau'"]),
        ({"fit": {"method": "sv"}}, ["'fit.method' is 'sv'", "'svi'", "ensemble"]),
        ({"fit": {"method": "mcmc", "epochs": 3}}, ["unknown key 'fit.epochs'"]),
        ({"fit": {"method": "svi", "rnk": 3}}, ["'fit.rnk'", "'fit.rank'"]),
        ({"fit": {"method": "svi", "rank": 0}}, ["'fit.rank' is 0", "greater"]),
        ({"fit": {"method": "svi", "norm": "exct"}}, ["'fit.norm' is 'exct'", "'exact'"]),
        ({"fit": {"method": "svi", "guide": "fulll"}}, ["'fit.guide' is 'fulll'"]),
        ({"fit": {"method": "svi", "strength": {"shape": 1}}}, ["'fit.strength.rate' is missing"]),
        ({"fit": {"method": "svi", "strength": 2}}, ["'fit.strength' is 2", "mapping"]),
        ({"fit": {"method": "ensemble", "vary": "seeds"}}, ["'fit.vary' is 'seeds'", "'seed'", "bootstrap"]),
        ({"fit": {"method": "ensemble", "members": 1}}, ["'fit.members' is 1"]),
        ({"fit": {"method": "mcmc", "target_accept": 1}}, ["'fit.target_accept' is 1", "less than 1"]),
        ({"fit": {"method": "map"}, "models": MODELS}, ["'models'", "'fit.method'", "svi", "mcmc"]),
        ({"fit": {"method": "ensemble"}, "models": MODELS}, ["'models'", "'fit.method'"]),
        ({"fit": {"method": "svi", "guide": "full"}, "models": MODELS}, ["'fit.guide' is 'full'", "guided_l0"]),
        ({"fit": {"method": "svi", "guide": "structured"}}, ["'fit.guide' is 'structured'", "mean_field", "AutoNormal"]),
        (
            {"fit": {"method": "svi", "guide": "AutoNormal", "strength": {"shape": 1, "rate": 1}}},
            ["'fit.strength'", "'fit.guide'"],
        ),
        ({"fit": {"method": "mcmc"}, "compare": {"reading": "evidence"}}, ["'compare.reading' is 'evidence'", "threshold"]),
        ({"fit": {"method": "map"}, "compare": {"reading": "inclusion"}}, ["'compare.reading' is 'inclusion'", "map"]),
        ({"fit": {"method": "svi"}, "compare": {"reading": "threshold"}}, ["'compare.tau' is missing"]),
        ({"fit": {"method": "mcmc"}, "prior": {"strength": 1, "family": "Normal"}}, ["'compare.tau' is missing"]),
        ({"fit": {"method": "svi", "kept_draws": 99}}, ["'fit.kept_draws' is 99", "100"]),
        ({"prior": {"strength": 1, "family": "TreeGroupLaplace"}}, ["'prior.family'", "'fit.method'"]),
    ],
)
def test_what_a_method_cannot_do_is_refused_before_it_starts(changes: dict[str, Any], expected: list[str]) -> None:
    message = refusal(**changes)
    assert all(part in message for part in expected), message


@pytest.mark.parametrize(("names", "models"), [(CONTINUOUS_ONLY, MODELS), (MODELS_ONLY, None)])
def test_options_of_the_other_kind_of_prior_are_refused(names: tuple[str, ...], models: dict[str, Any] | None) -> None:
    """And those that fit_svi refuses are these: on either side, one that it accepts would be refused here for nothing."""
    others: dict[str, Any] = {
        "rank": 3,
        "norm": "exact",
        "reparameterisation": "weights",
        "strength": {"shape": 1.0, "rate": 1.0},
        "kept_draws": 150,
        "gradient": "widths",
        "restarts": 2,
        "refit_epochs": 3,
        "allow_empty": True,
    }
    for name in names:
        fit = {"method": "svi", name: others[name]}
        assert f"'fit.{name}' has no meaning" in refusal(fit=fit, models=models)
        settings = SVISettings(**fit)
        parse(fit=fit, models=MODELS if models is None else None)
        net = NetSettings(name="mlp", settings={"inputs": 3, "hidden": [4], "outputs": 2}).build()
        architecture = Architecture.from_module(net, torch.zeros(2, 3))
        config = parse(models=models, fit={"method": "svi"})
        with pytest.raises(ConfigError, match=name):
            settings.fit(net, config.build_prior(architecture), (torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)))


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
