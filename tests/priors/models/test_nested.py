"""Nested widths against every mask, and the bijection of law, hazard and guidance (P12)."""

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine

import bayes_guided.guidance as guidance
from bayes_guided.exceptions import SurvivalError, WidthLawError
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.width_laws import geometric, negative_binomial, poisson, uniform
from tests.priors.every_mask import EveryMask, assert_matches, assert_samples, mlp_architecture

PMFS = {
    "0": torch.tensor([0.0, 0.3, 0.1, 0.25, 0.2, 0.1, 0.05], dtype=torch.float64),
    "2": torch.tensor([0.1, 0.4, 0.1, 0.3, 0.1], dtype=torch.float64),
}


@pytest.fixture
def architecture():
    return mlp_architecture(6, 4)


def nested_weight(pmfs):
    def weight(masks):
        total = 0.0
        for name, mask in masks.items():
            width = int(mask.sum())
            nested = bool(mask[:width].all())
            with np.errstate(divide="ignore"):
                total += np.log(float(pmfs[name][width])) if nested else -np.inf
        return total

    return weight


def test_every_quantity(architecture):
    prior = NestedWidth.from_law(architecture, PMFS)
    truth = EveryMask.of(architecture, nested_weight(PMFS))
    assert_matches(prior, truth)
    assert_samples(prior, truth)
    assert_matches(prior.condition(min_width=2), truth.given({"0": 2, "2": 2}))


def test_guidance_is_cumulative_hazard(architecture):
    prior = NestedWidth.from_guidance(architecture, guidance.linear(), strength=0.4)
    for name, g in guidance.linear().coefficients(architecture).items():
        torch.testing.assert_close(prior.unit_survival()[name], torch.exp(-0.4 * g.cumsum(0)), rtol=1e-13, atol=0)


def test_protected_units_are_in_no_order(architecture):
    g = {"0": torch.tensor([1.0, 2.0, 0.0, 1.0, 0.0, 3.0]), "2": torch.ones(4)}
    prior = NestedWidth.from_guidance(architecture, guidance.custom(g, normalise=False), strength=0.5)
    survival = prior.unit_survival()["0"]
    expected = torch.exp(-0.5 * torch.tensor([1.0, 3.0, 0.0, 4.0, 0.0, 7.0], dtype=torch.float64))
    torch.testing.assert_close(survival, expected, rtol=1e-13, atol=0)
    assert prior.width_pmf("0")[:2].eq(0).all()
    masks = {"0": torch.tensor([[True, False, True, False, False, False]]), "2": torch.zeros(1, 4, dtype=torch.bool)}
    assert float(prior.log_prob_masks(masks)) == -float("inf")


def test_survivals_come_back(architecture):
    wanted = {"0": torch.tensor([0.99, 0.7, 0.7, 0.5, 0.1, 1e-5]), "2": torch.linspace(0.8, 0.2, 4)}
    prior = NestedWidth.from_survival(architecture, wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(prior.unit_survival()[name], value.double(), rtol=1e-13, atol=0)
    assert float(prior.width_pmf("0")[2]) == 0
    with pytest.raises(SurvivalError, match=r"group '0' must fall from unit to unit or stay: unit 3 has 0\.89"):
        NestedWidth.from_survival(architecture, {**wanted, "0": torch.tensor([0.99, 0.8, 0.7, 0.9, 0.1, 0.05])})
    with pytest.raises(SurvivalError, match="strictly between 0 and 1"):
        NestedWidth.from_survival(architecture, {**wanted, "2": torch.tensor([1.0, 0.5, 0.4, 0.3])})


@pytest.mark.parametrize("shape", [None, guidance.linear(), guidance.step(2.0)])
def test_mean_width_comes_back(architecture, shape):
    wanted = {"0": 4.25, "2": 2.5}
    prior = NestedWidth.from_mean_width(architecture, wanted, guidance=shape)
    coefficients = (shape or guidance.constant()).coefficients(architecture)
    for name, mean in wanted.items():
        pmf = prior.width_pmf(name)
        assert float(pmf @ torch.arange(len(pmf), dtype=torch.float64)) == pytest.approx(mean, abs=1e-10)
        guided = coefficients[name] > 0
        hazard = -prior.unit_survival()[name][guided].log()
        steps = hazard.diff(prepend=torch.zeros(1, dtype=torch.float64)) / coefficients[name][guided]
        torch.testing.assert_close(steps, steps[:1].expand(len(steps)), rtol=1e-11, atol=0)


@pytest.mark.parametrize("mean", [0.0, 6.0, -1.0, float("nan")])
def test_mean_width_out_of_range(architecture, mean):
    with pytest.raises(WidthLawError, match=r"group '0' is out of range.*between 0 and 6"):
        NestedWidth.from_mean_width(architecture, {"0": mean, "2": 1.0})


def test_hazards_come_back(architecture):
    hazard = {"0": torch.linspace(0.05, 0.6, 6), "2": torch.full((4,), 0.25)}
    prior = NestedWidth.from_hazard(architecture, hazard)
    pmf = prior.width_pmf("0")
    at_risk = pmf.flip(0).cumsum(0).flip(0)
    torch.testing.assert_close(pmf[:-1] / at_risk[:-1], hazard["0"].double(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("law", "weights"),
    [
        (geometric(3.0, minimum=0), lambda k: 0.75**k),
        (poisson(2.5), lambda k: 2.5**k / np.array([1, 1, 2, 6, 24, 120, 720.0])),
        (uniform(), lambda k: np.ones(7)),
        (
            negative_binomial(2.0, 3.0),
            lambda k: np.array([np.prod([(3 + i) / (i + 1) for i in range(int(n))]) for n in k]) * 0.4**k,
        ),
    ],
)
def test_laws_are_cut_and_rescaled(architecture, law, weights):
    prior = NestedWidth.from_law(architecture, law)
    expected = weights(np.arange(7.0))
    expected[0] *= prior.width_pmf("0")[0] > 0
    np.testing.assert_allclose(prior.width_pmf("0"), expected / expected.sum(), rtol=1e-13)
    assert bool(prior.width_pmf("0")[0] > 0) == (law(6)[0] > -torch.inf)


def test_tails_do_not_underflow():
    prior = NestedWidth.from_law(mlp_architecture(2000), poisson(5.0))
    full = prior.log_prob(prior.architecture.full())
    k = torch.arange(1, 2001, dtype=torch.float64)
    expected = 2000 * np.log(5.0) - torch.lgamma(torch.tensor(2001.0, dtype=torch.float64))
    expected -= torch.logsumexp(k * np.log(5.0) - torch.lgamma(k + 1), 0)
    assert float(full) < -9000
    assert float(full) == pytest.approx(float(expected), rel=1e-13)


def test_bad_laws(architecture):
    with pytest.raises(WidthLawError, match="sums to"):
        NestedWidth.from_law(architecture, {**PMFS, "2": torch.full((5,), 0.3)})
    with pytest.raises(WidthLawError, match=r"\(5,\)"):
        NestedWidth.from_law(architecture, {**PMFS, "2": torch.full((4,), 0.25)})
    with pytest.raises(WidthLawError, match="negative"):
        NestedWidth.from_law(architecture, {**PMFS, "2": torch.tensor([-0.2, 0.3, 0.3, 0.3, 0.3])})
    with pytest.raises(WidthLawError, match="every group"):
        NestedWidth.from_law(architecture, {"0": PMFS["0"]})
    with pytest.raises(WidthLawError, match="no width"):
        NestedWidth.from_law(architecture, poisson(2.0, minimum=5))
    with pytest.raises(WidthLawError, match="positive"):
        poisson(-1.0)
    with pytest.raises(SurvivalError, match="hazard"):
        NestedWidth.from_hazard(architecture, {"0": torch.full((6,), 1.0), "2": torch.full((4,), 0.5)})
    with pytest.raises(WidthLawError, match="no width"):
        NestedWidth.from_law(architecture, {**PMFS, "2": torch.tensor([1.0, 0, 0, 0, 0])}).condition(min_width=1)


def test_float32_table(architecture):
    law = {name: value.float() for name, value in PMFS.items()}
    assert NestedWidth.from_law(architecture, law).width_pmf("0").dtype == torch.float64


def test_enumerated_width(architecture):
    prior = NestedWidth.from_law(architecture, PMFS)
    masks = poutine.enum(prior.pyro_masks, first_available_dim=-1)("enumerated")
    assert masks["0"].shape == (7, 6)
    assert masks["0"].sum(-1).tolist() == list(range(7))


@pytest.mark.parametrize("form", ["relaxed", "straight_through"])
def test_continuations_have_the_right_survival(architecture, form):
    pyro.set_rng_seed(4)
    prior = NestedWidth.from_law(architecture, PMFS)
    draws = torch.stack([prior.pyro_masks(form, temperature=0.01)["0"] for _ in range(1500)])
    error = (draws > 0.5).double().mean(0) - prior.unit_survival()["0"]
    assert (error.abs() < 4 * 0.5 / 1500**0.5).all()
