"""Settings build what they say."""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import bayes_guided as bg
from bayes_guided.config import MAPSettings, NetSettings, PriorSettings, RunConfig, parse_config
from bayes_guided.config.budget import prior_has
from bayes_guided.config.prior import Family
from bayes_guided.datasets import Dataset
from bayes_guided.exceptions import ConfigError, ImproperPriorError, NoDensityError, ProtectedGroupError, ReadingError
from bayes_guided.guidance import constant, cost, exponential, linear, polynomial, step


@pytest.fixture(scope="module")
def architecture() -> bg.Architecture:
    return bg.Architecture.from_module(bg.nets.mlp(5, [6, 4], outputs=3), torch.zeros(2, 5))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"guidance": "constant"}, constant()),
        ({"guidance": "linear"}, linear()),
        ({}, linear()),
        ({"guidance": {"profile": "polynomial", "power": 2}}, polynomial(2.0)),
        ({"guidance": {"profile": "exponential", "rate": 1.5}}, exponential(1.5)),
        ({"guidance": {"profile": "step", "free": 2}}, step(2.0)),
        ({"guidance": {"profile": "cost", "kind": "parameters"}}, cost("parameters")),
        ({"across": "macs"}, linear().across(cost("macs"))),
        ({"across": {"layers.1": 3}}, linear().across({"layers.1": 3.0})),
        ({"across": "linear"}, linear().across(linear())),
    ],
)
def test_guidance(architecture: bg.Architecture, settings: dict[str, Any], expected: bg.guidance.Guidance) -> None:
    prior = PriorSettings.model_validate({"strength": 2.0, **settings}).build(architecture)
    for name, values in expected.coefficients(architecture).items():
        torch.testing.assert_close(prior.coefficients[name], values)


@pytest.mark.parametrize("family", ["Normal", "Laplace", "GroupLaplace", "GroupSqrtLaplace", "GroupHorseshoe"])
def test_families(architecture: bg.Architecture, family: str) -> None:
    settings = {"strength": 2.5, "family": family, "rest": 0.25, "penalised": "norm"}
    prior = PriorSettings.model_validate(settings).build(architecture)
    assert prior.weights == getattr(bg.priors, family)(2.5)
    assert (prior.rest, prior.penalised) == (bg.priors.Normal(0.25), "norm")


def test_mix_belongs_to_the_sparse_group(architecture: bg.Architecture) -> None:
    given = PriorSettings.model_validate({"strength": 1.0, "family": "SparseGroupLaplace", "mix": 0.25}).build(architecture)
    default = PriorSettings.model_validate({"strength": 1.0, "family": "SparseGroupLaplace"}).build(architecture)
    assert given.weights == bg.priors.SparseGroupLaplace(1.0, mix=0.25)
    assert default.weights == bg.priors.SparseGroupLaplace(1.0)


def test_factors_of_unknown_groups_are_refused(architecture: bg.Architecture) -> None:
    with pytest.raises(ProtectedGroupError, match=r"layers\.7"):
        PriorSettings.model_validate({"strength": 1.0, "across": {"layers.7": 2}}).build(architecture)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        MAPSettings().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


def _data(x: torch.Tensor, y: torch.Tensor, classes: int | None) -> Dataset:
    return Dataset(x, y, x, y, name="made", num_classes=classes)


def _completed(net: dict[str, Any], data: Dataset, **more: Any) -> RunConfig:
    raw = {"net": net, "data": {"kind": "digits"}, "prior": {"strength": 1.0}, **more}
    return parse_config(raw, source="here", folder=Path()).completed(data)


def test_sizes_that_are_left_out_come_from_the_data() -> None:
    images = _data(torch.zeros(4, 2, 8, 8), torch.tensor([0, 1, 2, 2]), 3)
    table = _data(torch.zeros(4, 7), torch.zeros(4), None)
    config = _completed({"name": "resnet20"}, images)
    assert (config.net.settings, config.likelihood) == ({"in_channels": 2, "outputs": 3}, "Categorical")
    config = _completed({"name": "mlp", "settings": {"hidden": [3]}}, table)
    assert (config.net.settings, config.likelihood) == ({"inputs": 7, "outputs": 1, "hidden": [3]}, "Normal")
    config = _completed({"name": "mlp", "settings": {"outputs": 9}}, images)
    assert config.net.settings == {"inputs": 128, "outputs": 9}
    config = _completed({"module": "mine.py:build"}, images, likelihood="Poisson")
    assert (config.net.settings, config.likelihood) == ({}, "Poisson")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"hidden": "wide"}, "'net.settings'"),
        ({"hiden": [3]}, "hiden"),
        ({"hidden": [0]}, r"hidden\[0\] = 0"),
        ({"activation": "rel"}, "rel"),
    ],
)
def test_settings_that_do_not_fit_the_factory(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        NetSettings(name="mlp", settings={"inputs": 2, "outputs": 2, **settings}).build()


def test_own_module(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\ndef build(width): return nn.Linear(width, 2)\n")
    module = f"{tmp_path / 'mine.py'}:build"
    net = NetSettings(module=module, settings={"width": 3}).build()
    assert isinstance(net, torch.nn.Linear)
    assert net.in_features == 3
    with pytest.raises(ConfigError, match=r"mine\.py.*unexpected keyword"):
        NetSettings(module=module, settings={"wdth": 3}).build()
    with pytest.raises(ConfigError, match="no function"):
        NetSettings(module=f"{tmp_path / 'mine.py'}:bild").build()


@pytest.mark.parametrize("reading", ["threshold", "shrinkage", "evidence"])
@pytest.mark.parametrize("family", get_args(Family))
def test_settings_know_which_families_have_a_reading(architecture: bg.Architecture, family: str, reading: str) -> None:
    prior = PriorSettings.model_validate({"strength": 1.0, "family": family}).build(architecture)
    try:
        prior.model_prior(reading, tau=1.0, curvature=1.0)
    except (ReadingError, NoDensityError, ImproperPriorError):
        assert not prior_has(family, reading)
    else:
        assert prior_has(family, reading)
