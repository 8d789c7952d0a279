import inspect
import math

import pytest
import torch
from torch import nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import GuidanceError, ProtectedGroupError
from tests.scenarios import CONV, MLP


@pytest.fixture(scope="module")
def mlp():
    return MLP.architecture(MLP.net())


@pytest.fixture(scope="module")
def conv():
    return CONV.architecture(CONV.net())


PROFILES = {
    "constant": (guidance.constant(), [1, 1, 1, 1]),
    "linear": (guidance.linear(), [0.4, 0.8, 1.2, 1.6]),
    "polynomial": (guidance.polynomial(2.0), [4 / 30, 16 / 30, 36 / 30, 64 / 30]),
    "falling": (guidance.polynomial(-1.0), [48 / 25, 24 / 25, 16 / 25, 12 / 25]),
    "step by count": (guidance.step(3.0), [0, 0, 0, 4]),
    "step by fraction": (guidance.step(0.5), [0, 0, 2, 2]),
    "no free unit": (guidance.step(0.0), [1, 1, 1, 1]),
    "one free unit": (guidance.step(1.0), [0, 4 / 3, 4 / 3, 4 / 3]),
}


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_of_four_units(mlp, name):
    profile, expected = PROFILES[name]
    found = profile.coefficients(mlp)
    assert {group: len(values) for group, values in found.items()} == {"0": 6, "2": 4}
    assert found["2"].dtype == torch.float64
    torch.testing.assert_close(found["2"], torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0)
    assert float(found["0"].mean()) == pytest.approx(1, rel=1e-14)


def test_exponential_rises_by_its_rate_over_the_layer(mlp):
    values = guidance.exponential(3.0).coefficients(mlp)["0"]
    torch.testing.assert_close((values[1:] / values[:-1]).log(), torch.full((5,), 0.5, dtype=torch.float64))
    assert float(values.mean()) == pytest.approx(1)


def test_a_fraction_of_free_units_is_rounded_and_not_cut():
    net = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 2))
    found = guidance.step(0.29).coefficients(Architecture.from_module(net, torch.zeros(2, 2)))["0"]
    assert int((found == 0).sum()) == 29  # 0.29 * 100 is 28.999999999999996


def test_cost_is_in_proportion_to_what_a_unit_takes_along(conv):
    # A channel: 9 weights, a bias, and 4 of the flattened inputs of each of 5 units; a unit: 12 weights, bias, 3 outgoing.
    parameters = {"0": 9 + 1 + 4 * 5, "4": 12 + 1 + 3}
    # 16 positions of the convolution, one of the others.
    macs = {"0": 9 * 16 + 4 * 5, "4": 12 + 3}
    for kind, costs in (("parameters", parameters), ("macs", macs)):
        found = guidance.cost(kind).coefficients(conv)
        mean = (3 * costs["0"] + 5 * costs["4"]) / 8
        assert found["0"].tolist() == pytest.approx([costs["0"] / mean] * 3)
        assert found["4"].tolist() == pytest.approx([costs["4"] / mean] * 5)


def test_custom_functions_and_mappings(mlp):
    raw = {"0": torch.tensor([1.0, 2, 3, 4, 5, 9]), "2": torch.tensor([2.0, 0, 2, 4])}
    by_function = guidance.custom(lambda group: raw[group.name]).coefficients(mlp)
    by_mapping = guidance.custom(raw).coefficients(mlp)
    kept = guidance.custom(raw, normalise=False).coefficients(mlp)
    for name in raw:
        torch.testing.assert_close(by_function[name], raw[name].double() / raw[name].double().mean())
        assert torch.equal(by_function[name], by_mapping[name])
        assert torch.equal(kept[name], raw[name].double())
    partial = guidance.custom({"2": raw["2"]}, normalise=False).coefficients(mlp)
    assert torch.equal(partial["0"], torch.ones(6, dtype=torch.float64))


def test_across_groups(mlp):
    base = guidance.linear().coefficients(mlp)
    deeper = guidance.linear().across(guidance.linear()).coefficients(mlp)
    torch.testing.assert_close(deeper["0"], base["0"] * 2 / 3)
    torch.testing.assert_close(deeper["2"], base["2"] * 4 / 3)
    named = guidance.linear().across({"2": 3.0}).coefficients(mlp)
    assert torch.equal(named["0"], base["0"])
    torch.testing.assert_close(named["2"], 3 * base["2"])
    costly = guidance.linear().across(guidance.cost("parameters")).coefficients(mlp)
    assert torch.allclose(costly["2"], base["2"] * guidance.cost("parameters").coefficients(mlp)["2"][0])
    twice = guidance.constant().across({"0": 2.0}).across({"0": 3.0, "2": 0.5}).coefficients(mlp)
    assert {name: values.unique().tolist() for name, values in twice.items()} == {"0": [6.0], "2": [0.5]}


def test_custom_guidance_across_groups_is_the_mean_of_what_was_given(mlp):
    given = guidance.custom({"0": torch.full((6,), 1.0), "2": torch.tensor([2.0, 4, 2, 4])})
    found = guidance.constant().across(given).coefficients(mlp)
    assert found["0"].tolist() == pytest.approx([0.5] * 6)
    assert found["2"].tolist() == pytest.approx([1.5] * 4)


BAD_COEFFICIENTS = {
    "too short": ([1.0, 2.0], r"'2' has shape \(2,\).*shape \(4,\)"),
    "a matrix": ([[1.0, 2.0], [3.0, 4.0]], r"shape \(2, 2\)"),
    "negative": ([1.0, -1.0, 1.0, 1.0], "'2', unit 1, is -1.0"),
    "not a number": ([1.0, 1.0, math.nan, 1.0], "'2', unit 2, is nan"),
    "infinite": ([math.inf, 1.0, 1.0, 1.0], "'2', unit 0, is inf"),
    "all zero": ([0.0, 0.0, 0.0, 0.0], "all of it is protected.*protect="),
}


@pytest.mark.parametrize("name", BAD_COEFFICIENTS)
@pytest.mark.parametrize("normalise", [True, False])
def test_bad_coefficients_are_refused(mlp, name, normalise):
    values, message = BAD_COEFFICIENTS[name]
    bad = guidance.custom(
        lambda group: torch.tensor(values) if group.name == "2" else torch.ones(group.size), normalise=normalise
    )
    with pytest.raises(GuidanceError, match=message):
        bad.coefficients(mlp)


@pytest.mark.parametrize(
    ("factor", "message"), [(-1.0, "is -"), (math.nan, "is nan"), (math.inf, "is inf"), (0.0, "all of it is protected")]
)
def test_bad_factors_are_refused(mlp, factor, message):
    with pytest.raises(GuidanceError, match=message):
        guidance.linear().across({"2": factor}).coefficients(mlp)


def test_groups_that_may_not_be_guided_are_refused(mlp):
    for given in (guidance.custom({"4": torch.ones(3)}), guidance.constant().across({"4": 2.0})):
        with pytest.raises(ProtectedGroupError, match="'4', which is protected"):
            given.coefficients(mlp)
    for given in (guidance.custom({"nowhere": torch.ones(3)}), guidance.constant().across({"nowhere": 2.0})):
        with pytest.raises(ProtectedGroupError, match=r"'nowhere', which is no group.*'0', '2'"):
            given.coefficients(mlp)


@pytest.mark.parametrize("free", [-1.0, -0.1, 2.5, math.nan, math.inf])
def test_a_step_needs_a_count_or_a_fraction(free):
    with pytest.raises(GuidanceError):
        guidance.step(free)


def test_a_step_over_all_units_protects_the_group_and_is_refused(mlp):
    with pytest.raises(GuidanceError, match="every unit of group '2'"):
        guidance.step(4.0).coefficients(mlp)


def test_bad_settings_are_refused():
    for make in (guidance.polynomial, guidance.exponential):
        for value in (math.nan, math.inf):
            with pytest.raises(GuidanceError, match="not finite"):
                make(value)
    with pytest.raises(GuidanceError, match='"flops"'):
        inspect.unwrap(guidance.cost)("flops")  # without the tests' own check of the annotation


@pytest.mark.parametrize("profile", [guidance.polynomial(1e4), guidance.polynomial(-1e4), guidance.exponential(1e4)])
def test_a_profile_that_rounds_to_zero_is_refused_and_protects_nobody(mlp, profile):
    with pytest.raises(GuidanceError, match="smaller number"):
        profile.coefficients(mlp)
