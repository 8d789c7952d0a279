"""Cumulative shrinkage against every mask, whose weights come from the moments of the sticks (P12)."""

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine

import bayes_guided.guidance as guidance
from bayes_guided.exceptions import ExactLimitError, SurvivalError, UnsupportedFormError
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.nested import NestedWidth
from tests.priors.every_mask import EveryMask, assert_matches, assert_samples, mlp_architecture
from tests.priors.models.test_stick_breaking import by_moments


@pytest.fixture
def architecture():
    return mlp_architecture(6, 4)


def truth_of(architecture, prior):
    alpha = {name: 1 / torch.expm1(value).numpy() for name, value in prior.increments.items()}
    return EveryMask.of(architecture, lambda m: sum(float(np.log(by_moments(alpha[g], m[g]))) for g in m))


def test_every_quantity(architecture):
    prior = CumulativeShrinkage.from_guidance(architecture, guidance.linear(), strength=0.5)
    truth = truth_of(architecture, prior)
    # The moments of the oracle cancel to about 1e-13 of the largest term.
    assert_matches(prior, truth, tolerance=1e-11)
    assert_samples(prior, truth)


def test_conditioned(architecture):
    prior = CumulativeShrinkage.from_concentration(architecture, 1.5)
    truth = truth_of(architecture, prior)
    once = prior.condition(min_width={"0": 2})
    assert_matches(once, truth.given({"0": 2}), tolerance=1e-11)
    twice = once.condition(min_width=1)
    assert_matches(twice, truth.given({"0": 2, "2": 1}), tolerance=1e-11)
    assert_samples(twice, truth.given({"0": 2, "2": 1}), draws=200_000)


def test_survival_is_that_of_the_nested_prior(architecture):
    given = {"strength": 0.3}
    shrunk = CumulativeShrinkage.from_guidance(architecture, guidance.step(2.0), **given)
    nested = NestedWidth.from_guidance(architecture, guidance.step(2.0), **given)
    for name, value in nested.unit_survival().items():
        torch.testing.assert_close(shrunk.unit_survival()[name], value, rtol=1e-13, atol=0)
        assert (value[:2] == 1).all()


def test_survivals_come_back(architecture):
    wanted = {"0": torch.tensor([0.99, 0.7, 0.6, 0.5, 0.1, 1e-5]), "2": torch.linspace(0.8, 0.2, 4)}
    prior = CumulativeShrinkage.from_survival(architecture, wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(prior.unit_survival()[name], value.double(), rtol=1e-13, atol=0)
    with pytest.raises(SurvivalError, match="must fall from unit to unit: unit 2 has"):
        CumulativeShrinkage.from_survival(architecture, {**wanted, "0": torch.tensor([0.9, 0.7, 0.7, 0.5, 0.1, 0.05])})


def test_mean_width_comes_back(architecture):
    """The mean by brute force over all masks, not from the survivals that it was solved with."""
    wanted = {"0": 3.5, "2": 1.25}
    prior = CumulativeShrinkage.from_mean_width(architecture, wanted, guidance=guidance.linear())
    truth = truth_of(architecture, prior)
    for name, mean in wanted.items():
        assert float(np.sum(truth.survival(name))) == pytest.approx(mean, abs=1e-10)
        steps = prior.increments[name] / guidance.linear().coefficients(architecture)[name]
        torch.testing.assert_close(steps, steps[:1].expand(len(steps)), rtol=1e-12, atol=0)


def test_variance_lies_between_independent_and_nested():
    architecture = mlp_architecture(40)
    shrunk = CumulativeShrinkage.from_guidance(architecture, guidance.linear(), strength=0.1)
    nested = NestedWidth.from_guidance(architecture, guidance.linear(), strength=0.1)
    independent = IndependentInclusion.from_survival(architecture, shrunk.unit_survival())
    k = torch.arange(41, dtype=torch.float64)

    def moments(prior):
        pmf = prior.width_pmf("0")
        mean = pmf @ k
        return float(mean), float(pmf @ (k - mean) ** 2)

    (m1, v1), (m2, v2), (m3, v3) = map(moments, (independent, shrunk, nested))
    assert m1 == pytest.approx(m2, rel=1e-12)
    assert m2 == pytest.approx(m3, rel=1e-12)
    assert v1 < v2 < v3


def test_entropy_estimate(architecture):
    prior = CumulativeShrinkage.from_concentration(architecture, 2.0)
    estimate = prior.entropy_estimate(20_000, torch.Generator().manual_seed(1))
    assert abs(float(estimate.value - prior.entropy())) < 4 * float(estimate.standard_error)
    assert 0 < float(estimate.standard_error) < 0.05


def test_limits_name_the_alternative():
    prior = CumulativeShrinkage.from_concentration(mlp_architecture(17), 2.0)
    with pytest.raises(ExactLimitError, match="entropy_estimate"):
        prior.entropy()
    wide = CumulativeShrinkage.from_concentration(mlp_architecture(600), 2.0)
    with pytest.raises(ExactLimitError, match="NestedWidth"):
        wide.width_pmf("0")
    with pytest.raises(ExactLimitError, match="NestedWidth"):
        wide.mode()
    with pytest.raises(ExactLimitError, match="NestedWidth"):
        wide.condition(min_width=500).unit_survival()
    with pytest.raises(ExactLimitError, match="rejection"):
        prior.condition(min_width=17).sample(10)


def test_bad_increments(architecture):
    with pytest.raises(SurvivalError, match="protect"):
        CumulativeShrinkage(architecture, {"0": torch.zeros(6), "2": torch.ones(4)})
    with pytest.raises(SurvivalError, match="concentration"):
        CumulativeShrinkage.from_concentration(architecture, 0.0)


def test_enumerated_sites_given_the_sticks(architecture):
    prior = CumulativeShrinkage.from_concentration(architecture, 2.0)
    trace = poutine.trace(poutine.enum(prior.pyro_masks, first_available_dim=-2)).get_trace("enumerated")
    trace.compute_log_prob()
    remaining = (1 - trace.nodes["stick.0"]["value"]).cumprod(0)
    torch.testing.assert_close(trace.nodes["mask.0"]["log_prob"][1].exp(), remaining, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["relaxed", "straight_through"])
def test_relaxed_sites(architecture, form):
    pyro.set_rng_seed(5)
    prior = CumulativeShrinkage.from_concentration(architecture, 2.0)
    draws = torch.stack([prior.pyro_masks(form, temperature=0.1)["2"] for _ in range(1500)])
    error = (draws > 0.5).double().mean(0) - prior.unit_survival()["2"]
    assert (error.abs() < 4 * 0.5 / 1500**0.5).all()
    with pytest.raises(UnsupportedFormError):
        prior.condition(min_width=1).pyro_masks(form)
