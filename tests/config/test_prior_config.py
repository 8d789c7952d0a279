"""Settings of a prior build what they say, survive a round trip, and are refused with the path and what is known there."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from scipy.stats import binom

import bayes_guided as bg
from bayes_guided.config import PriorConfig, load_prior_config, to_yaml
from bayes_guided.exceptions import ConfigError, ReadingError, WidthLawError
from bayes_guided.priors import ModelPrior, geometric, negative_binomial, poisson, uniform
from bayes_guided.priors.models.wanted_guidance import guidance_of_hazard, guidance_of_independent

LINEAR = bg.guidance.linear()
FIRST, SECOND = "layers.0", "layers.1"
BINOMIAL = {name: torch.from_numpy(binom.pmf(range(size + 1), size, 0.3)) for name, size in ((FIRST, 6), (SECOND, 4))}
TABLE = [0.0, 0.5, 0.0, 0.0, 0.5]
CONTINUOUS: dict[str, Any] = {"prior": {"strength": 2.0}, "reading": {"name": "evidence", "curvature": 50}}


@pytest.fixture(scope="module")
def architecture() -> bg.Architecture:
    return bg.Architecture.from_module(bg.nets.mlp(5, [6, 4], outputs=3), torch.zeros(2, 5))


def config(tmp_path: Path, raw: dict[str, Any], *overrides: str) -> PriorConfig:
    path = tmp_path / "my prior.yaml"
    path.write_text(yaml.safe_dump({"net": {"name": "mlp", "settings": {"hidden": [6, 4]}}, **raw}))
    return load_prior_config(path, overrides=overrides)


def refusal(tmp_path: Path, raw: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, raw, *overrides)
    return str(caught.value)


def assert_same(found: ModelPrior, expected: ModelPrior) -> None:
    """The same class, and the same law down to the ten most probable models."""
    assert type(found) is type(expected)
    for name, survival in expected.unit_survival().items():
        torch.testing.assert_close(found.unit_survival()[name], survival)
        torch.testing.assert_close(found.width_pmf(name), expected.width_pmf(name))
    torch.testing.assert_close(found.size_pmf(), expected.size_pmf())
    values = [value for _, value in expected.most_probable(10)]
    assert [value for _, value in found.most_probable(10)] == pytest.approx(values)


MODELS: list[tuple[dict[str, Any], Any]] = [
    (
        {"kind": "independent", "guidance": "linear", "strength": 2},
        lambda a: bg.IndependentInclusion.from_guidance(a, LINEAR, strength=2.0),
    ),
    (
        {"kind": "independent", "mean_width": {FIRST: 2, SECOND: 1.5}},
        lambda a: bg.IndependentInclusion.from_mean_width(a, {FIRST: 2.0, SECOND: 1.5}, guidance=LINEAR),
    ),
    (
        {"kind": "independent", "law": {n: {"kind": "table", "probabilities": law.tolist()} for n, law in BINOMIAL.items()}},
        lambda a: bg.IndependentInclusion.from_width_law(a, BINOMIAL),
    ),
    (
        {"kind": "nested", "guidance": {"profile": "step", "free": 2}, "across": {FIRST: 3}, "strength": 0.5},
        lambda a: bg.NestedWidth.from_guidance(a, bg.guidance.step(2).across({FIRST: 3.0}), strength=0.5),
    ),
    ({"kind": "nested", "law": "uniform"}, lambda a: bg.NestedWidth.from_law(a, uniform())),
    (
        {"kind": "nested", "mean_width": 3, "guidance": "constant"},
        lambda a: bg.NestedWidth.from_mean_width(a, {FIRST: 3, SECOND: 3}),
    ),
    (
        {"kind": "shrinkage", "mean_width": {FIRST: 4, SECOND: 1.5}},
        lambda a: bg.CumulativeShrinkage.from_mean_width(a, {FIRST: 4, SECOND: 1.5}, guidance=LINEAR),
    ),
    (
        {
            "kind": "nested",
            "law": {FIRST: {"kind": "geometric", "mean": 2}, SECOND: {"kind": "table", "probabilities": TABLE}},
        },
        lambda a: bg.NestedWidth.from_law(a, {FIRST: geometric(2.0), SECOND: torch.tensor(TABLE)}),
    ),
    (
        {"kind": "shrinkage", "strength": 0.3},
        lambda a: bg.CumulativeShrinkage.from_guidance(a, LINEAR, strength=0.3),
    ),
    ({"kind": "shrinkage", "concentration": 3}, lambda a: bg.CumulativeShrinkage.from_concentration(a, 3.0)),
    ({"kind": "gibbs", "cost": "parameters", "beta": 0.1}, lambda a: bg.GibbsComplexity(a, "parameters", beta=0.1)),
    (
        {"kind": "gibbs", "cost": "parameters", "mean_cost": 30},
        lambda a: bg.GibbsComplexity.from_mean_cost(a, "parameters", 30.0),
    ),
    ({"kind": "gibbs", "cost": "mdl", "beta": 1}, lambda a: bg.GibbsComplexity(a, "mdl", beta=1.0)),
    (
        {"kind": "tilted", "strength": 2, "law": {"kind": "negative_binomial", "mean": 2, "dispersion": 3, "minimum": 0}},
        lambda a: bg.TiltedWidth.from_guidance(a, LINEAR, strength=2.0, widths=negative_binomial(2.0, 3.0, minimum=0)),
    ),
    (
        {"kind": "shared", "strength": 2, "across": "macs", "law": {"kind": "poisson", "mean": 4}},
        lambda a: bg.TiltedWidth.shared(a, LINEAR.across(bg.guidance.cost("macs")), strength=2.0, sizes=poisson(4.0)),
    ),
]


@pytest.mark.parametrize(("models", "expected"), MODELS, ids=[f"{n}-{m['kind']}" for n, (m, _) in enumerate(MODELS)])
def test_models(architecture: bg.Architecture, tmp_path: Path, models: dict[str, Any], expected: Any) -> None:
    found = config(tmp_path, {"models": models})
    assert_same(found.build(architecture), expected(architecture))
    conditioned = config(tmp_path, {"models": {**models, "min_width": {FIRST: 3}}})
    assert_same(conditioned.build(architecture), expected(architecture).condition(min_width={FIRST: 3}))
    assert found.reading_name == "inclusion"
    assert models["kind"] in found.title
    again = PriorConfig.model_validate(yaml.safe_load(to_yaml(found)))
    assert again == found


def test_every_kind_is_tried_here(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"models": {"kind": "none"}})
    assert {models["kind"] for models, _ in MODELS} == set(message.split("(of ")[1].split(").")[0].split(", "))


@pytest.mark.parametrize(
    ("reading", "numbers"),
    [("evidence", {"curvature": 50.0}), ("shrinkage", {"curvature": 50.0}), ("threshold", {"tau": 0.4})],
)
def test_readings(architecture: bg.Architecture, tmp_path: Path, reading: str, numbers: dict[str, float]) -> None:
    raw = {"prior": {"strength": 2, "guidance": "linear"}, "reading": {"name": reading, **numbers}}
    prior = bg.GuidedPrior(architecture, bg.priors.GroupLaplace(2.0), LINEAR)
    found = config(tmp_path, raw)
    assert_same(found.build(architecture), prior.model_prior(reading, **numbers))
    raw["reading"]["min_width"] = 1
    conditioned = config(tmp_path, raw)
    assert_same(conditioned.build(architecture), prior.model_prior(reading, **numbers).condition(min_width=1))
    assert (found.reading_name, reading in found.title) == (reading, True)
    assert PriorConfig.model_validate(yaml.safe_load(to_yaml(conditioned))) == conditioned


def test_a_reading_that_the_family_lacks_is_refused_with_the_reason(architecture: bg.Architecture, tmp_path: Path) -> None:
    raw = {"prior": {"strength": 2, "family": "Laplace"}, "reading": {"name": "shrinkage", "curvature": 1}}
    with pytest.raises(ReadingError, match="no shrinkage reading"):
        config(tmp_path, raw).build(architecture)


def test_the_guidance_sought_is_the_librarys(architecture: bg.Architecture, tmp_path: Path) -> None:
    wanted = {FIRST: 2.0, SECOND: 1.0}
    law = {"kind": "poisson", "mean": 2}
    costs = guidance_of_independent(architecture, LINEAR, wanted).strengths
    hazard = guidance_of_hazard(architecture, LINEAR, wanted).strengths
    for models, expected in (
        ({"kind": "independent", "strength": 1}, costs),
        ({"kind": "tilted", "strength": 1, "law": law}, costs),
        ({"kind": "shared", "strength": 1, "law": law}, costs),
        ({"kind": "nested", "strength": 1}, hazard),
        ({"kind": "shrinkage", "concentration": 2}, hazard),
    ):
        assert config(tmp_path, {"models": models}).wanted_guidance(architecture) is None
        found = config(tmp_path, {"models": {**models, "mean_width": wanted}})
        answer = found.wanted_guidance(architecture)
        assert answer is not None
        assert answer.strengths == expected
        assert "s g_u" in found.wanted_as


def test_the_guidance_sought_of_a_continuous_prior(architecture: bg.Architecture, tmp_path: Path) -> None:
    found = config(tmp_path, CONTINUOUS, "reading.mean_width=2").wanted_guidance(architecture)
    assert found is not None
    raw = {**CONTINUOUS, "prior": {"strength": 1, "across": found.strengths}}
    survival = config(tmp_path, raw).build(architecture).unit_survival()
    assert [float(values.sum()) for values in survival.values()] == pytest.approx([2.0, 2.0])
    assert config(tmp_path, CONTINUOUS).wanted_guidance(architecture) is None


def test_profiles(architecture: bg.Architecture, tmp_path: Path) -> None:
    def values(models: dict[str, Any]) -> Any:
        return config(tmp_path, {"models": models}).guidance_values(architecture)

    linear = LINEAR.coefficients(architecture)
    for models in ({"kind": "nested", "strength": 1}, {"kind": "tilted", "strength": 1, "law": "uniform"}):
        for name, coefficients in values(models).items():
            torch.testing.assert_close(coefficients, linear[name])
    for name, coefficients in (config(tmp_path, CONTINUOUS).guidance_values(architecture) or {}).items():
        torch.testing.assert_close(coefficients, linear[name])
    assert values({"kind": "nested", "law": "uniform"}) is None
    assert values({"kind": "gibbs", "cost": "macs", "beta": 1}) is None


TILTED = {"models": {"kind": "tilted", "strength": 1, "law": {"kind": "poisson", "mean": 2}}}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model={}", ["unknown key 'model'", "'models'"]),
        ("models.strenght=2", ["unknown key 'models.strenght'", "'models.strength'"]),
        ("models.kind=tited", ["'models.kind' is 'tited'", "'tilted'"]),
        ("models.kind=", ["'models.kind'"]),
        ("models={}", ["'models.kind' is missing"]),
        ("models.law.maen=2", ["unknown key 'models.law.maen'", "'models.law.mean'"]),
        ("models.law=poisson", ["'models.law.mean' is missing"]),
        ("models.law=poison", ["'poison'", "'poisson'"]),
        ("models.law={mean: 3}", ["'models.law.kind' is missing"]),
        ("models.law={layers.0: {kind: poisson, men: 3}}", ["unknown key 'models.law.layers.0.men'"]),
        ("models.law={layers.0: {kind: uniform}, layers.1: 3}", ["'models.law"]),
        ("models.strength=-1", ["'models.strength' is -1", "greater than 0"]),
        ("models.min_width=1.5", ["'models.min_width' is 1.5", "integer"]),
        ("models.min_width={layers.0: -1}", ["'models.min_width.layers.0' is -1"]),
        ("models.mean_width=some", ["'models.mean_width' is 'some'", "number"]),
        ("models={kind: gibbs, cost: macs}", ["either 'beta' or the 'mean_cost'"]),
        ("models={kind: gibbs, cost: macs, beta: 1, mean_cost: 3}", ["either 'beta' or the 'mean_cost'"]),
        ("models={kind: gibbs, cost: macs, mean_cost: 0}", ["'models.mean_cost' is 0"]),
        ("models={kind: gibbs, cost: flops, beta: 1}", ["'models.cost' is 'flops'", "macs"]),
        ("models={kind: gibbs, cost: macs, beta: 1, mean_width: 3}", ["'models'", "gibbs has not"]),
        ("models={kind: gibbs, cost: macs, beta: 1, guidance: linear}", ["unknown key 'models.guidance'"]),
        ("models={kind: nested}", ["'strength', 'law' or 'mean_width'"]),
        ("models={kind: shrinkage}", ["'strength', 'concentration' or 'mean_width'"]),
        ("models={kind: nested, law: uniform, strength: 1}", ["leaves nothing to guidance"]),
        ("models={kind: shrinkage, concentration: 1, guidance: linear}", ["leaves nothing to guidance"]),
        ("reading={name: evidence, curvature: 1}", ["'reading' belongs to 'prior'"]),
        ("models=", ["either 'prior' with a 'reading', or 'models'"]),
        ("input_shape=[0]", ["'input_shape.0' is 0"]),
        ("input_shape=[]", ["'input_shape'"]),
    ],
)
def test_refusal_names_the_path_and_what_is_known(tmp_path: Path, override: str, expected: list[str]) -> None:
    message = refusal(tmp_path, TILTED, override)
    assert all(part in message for part in expected), message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("reading=", ["'prior' needs a 'reading'", "{name: evidence, curvature: 100}"]),
        ("reading.name=evidense", ["'reading.name' is 'evidense'", "'evidence'"]),
        ("reading.name=inclusion", ["'reading.name' is 'inclusion'"]),
        ("reading.name=threshold", ["unknown key 'reading.curvature'"]),
        ("reading={name: threshold}", ["'reading.tau' is missing"]),
        ("reading.tua=1", ["unknown key 'reading.tua'"]),
        ("prior.strenght=1", ["unknown key 'prior.strenght'", "'prior.strength'"]),
    ],
)
def test_refusals_of_readings(tmp_path: Path, override: str, expected: list[str]) -> None:
    message = refusal(tmp_path, CONTINUOUS, override)
    assert all(part in message for part in expected), message


def test_data_and_input_shape_exclude_each_other(tmp_path: Path) -> None:
    assert "not both" in refusal(tmp_path, {**TILTED, "data": {"kind": "digits"}, "input_shape": [64]})


@pytest.mark.parametrize(
    ("override", "error", "expected"),
    [
        ("models.law={layers.0: uniform, layers.2: uniform}", ConfigError, "'layers.2', which is no group; the nearest"),
        ("models.law={layers.0: uniform}", WidthLawError, "no width law for group 'layers.1'"),
        ("models.law={kind: table, probabilities: [0.5, 0.6]}", WidthLawError, "sums to 1.1"),
        ("models.law={kind: table, probabilities: [0.5, 0.5]}", WidthLawError, r"group of 6 units needs \(7,\)"),
        ("models.min_width=7", WidthLawError, "has 6 units"),
    ],
)
def test_what_does_not_fit_the_network(
    architecture: bg.Architecture, tmp_path: Path, override: str, error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        config(tmp_path, TILTED, override).build(architecture)


@pytest.mark.parametrize(("width", "error"), [("{layer.0: 1}", ConfigError), ("5", WidthLawError)])
def test_wanted_widths_that_no_guidance_has(
    architecture: bg.Architecture, tmp_path: Path, width: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"layers\.0"):
        config(tmp_path, TILTED, f"models.mean_width={width}").wanted_guidance(architecture)


def test_the_file_of_a_fit_is_read_once_it_has_a_reading(tmp_path: Path) -> None:
    fit = {
        "prior": {"strength": 1},
        "data": {"kind": "digits"},
        "fit": {"epochs": 3},
        "baseline": True,
        "likelihood": "Normal",
    }
    found = config(tmp_path, fit, "reading={name: evidence, curvature: 10}")
    assert found.name == "my-prior"
    assert found.completed(found.load_data()).net.settings == {"hidden": [6, 4], "inputs": 64, "outputs": 1}


def test_relative_paths_lie_beside_the_file(tmp_path: Path) -> None:
    raw = {**TILTED, "data": {"kind": "npz", "path": "a.npz"}, "net": {"module": "mine.py:build"}}
    found = config(tmp_path, raw)
    assert found.data is not None
    assert found.data.model_dump()["path"] == tmp_path / "a.npz"
    assert found.net.module == f"{tmp_path / 'mine.py'}:build"


def test_input_is_the_digits_or_of_the_shape_given(tmp_path: Path) -> None:
    digits = config(tmp_path, TILTED)
    data = digits.load_data()
    assert data is not None
    assert digits.completed(data).net.settings == {"hidden": [6, 4], "inputs": 64, "outputs": 10}
    shaped = config(tmp_path, TILTED, "input_shape=[2, 3, 3]")
    assert shaped.load_data() is None
    assert shaped.completed(None).net.settings == {"hidden": [6, 4], "inputs": 18}
