"""Independent inclusion against every mask, and its inverse problems (P14)."""

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine

import bayes_guided.guidance as guidance
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    ConfigError,
    ExactLimitError,
    MaskError,
    ProtectedGroupError,
    StrengthError,
    SurvivalError,
    UnattainableLawError,
    UnsupportedFormError,
    WidthLawError,
)
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.width_laws import negative_binomial
from tests.priors.every_mask import EveryMask, assert_matches, assert_samples, mlp_architecture

COSTS = {
    "0": torch.tensor([-1.0, 0.3, 2.0, -0.2, 0.9, 4.0], dtype=torch.float64),
    "2": torch.tensor([0.1, -3.0, 1.2, 0.4], dtype=torch.float64),
}


@pytest.fixture
def architecture():
    return mlp_architecture(6, 4)


@pytest.fixture
def prior(architecture):
    return IndependentInclusion(architecture, COSTS)


def truth_of(architecture, costs):
    return EveryMask.of(architecture, lambda m: -sum(float(costs[g].numpy() @ m[g]) for g in m))


def test_every_quantity(architecture, prior):
    assert_matches(prior, truth_of(architecture, COSTS))


def test_draws(architecture, prior):
    assert_samples(prior, truth_of(architecture, COSTS))


@pytest.mark.parametrize("minimum", [1, 3, {"2": 2}])
def test_conditioned(architecture, prior, minimum):
    minimums = minimum if isinstance(minimum, dict) else dict.fromkeys(COSTS, minimum)
    truth = truth_of(architecture, COSTS).given(minimums)
    conditioned = prior.condition(min_width=minimum)
    assert_matches(conditioned, truth)
    assert_samples(conditioned, truth, draws=200_000)


def test_protected_units_are_outside(architecture):
    prior = IndependentInclusion.from_guidance(architecture, guidance.step(2.0), strength=1.5)
    g = {name: 1.5 * values for name, values in guidance.step(2.0).coefficients(architecture).items()}
    truth = EveryMask.of(
        architecture,
        lambda m: -np.inf if any(not m[n][:2].all() for n in m) else -sum(float(g[n].numpy() @ m[n]) for n in m),
    )
    assert_matches(prior, truth)
    assert_matches(prior.condition(min_width=3), truth.given({"0": 3, "2": 3}))
    assert (prior.unit_survival()["0"][:2] == 1).all()


def test_survivals_come_back(architecture):
    wanted = {"0": torch.linspace(0.9, 0.01, 6), "2": torch.tensor([0.5, 0.6, 0.7, 0.2])}
    survival = IndependentInclusion.from_survival(architecture, wanted).unit_survival()
    for name, value in wanted.items():
        torch.testing.assert_close(survival[name], value.double(), rtol=1e-14, atol=0)


@pytest.mark.parametrize("strength", [None, 2.0])
def test_mean_width_comes_back(architecture, strength):
    prior = IndependentInclusion.from_mean_width(
        architecture, {"0": 2.5, "2": 1.25}, guidance=guidance.linear(), strength=strength
    )
    survival = prior.unit_survival()
    assert float(survival["0"].sum()) == pytest.approx(2.5, abs=1e-12)
    assert float(survival["2"].sum()) == pytest.approx(1.25, abs=1e-12)
    step = prior.costs["0"].diff()
    torch.testing.assert_close(step, step[:1].expand(5))
    if strength is not None:
        assert float(step[0]) == pytest.approx(2.0 * 2 / 7, abs=1e-12)


@pytest.mark.parametrize(("mean", "strength"), [(0.0, None), (3.5, None), (6.0, 1.0), (-1.0, 1.0)])
def test_mean_width_out_of_range(architecture, mean, strength):
    with pytest.raises(WidthLawError, match="out of range"):
        IndependentInclusion.from_mean_width(architecture, {"0": mean, "2": 1.0}, strength=strength)


def test_mean_width_counts_protected_units(architecture):
    prior = IndependentInclusion.from_mean_width(architecture, {"0": 3.0, "2": 2.5}, guidance=guidance.step(2.0))
    assert float(prior.unit_survival()["0"].sum()) == pytest.approx(3.0, abs=1e-12)


def test_attainable_law_comes_back(architecture):
    survivals = torch.tensor([0.9, 0.7, 0.55, 0.3, 0.2, 0.05], dtype=torch.float64)
    given = IndependentInclusion.from_survival(architecture, {"0": survivals, "2": torch.full((4,), 0.4, dtype=torch.float64)})
    laws = {name: given.width_pmf(name) for name in COSTS}
    found = IndependentInclusion.from_width_law(architecture, laws)
    torch.testing.assert_close(found.width_pmf("0"), laws["0"], rtol=0, atol=1e-7)
    torch.testing.assert_close(found.width_pmf("2"), laws["2"], rtol=0, atol=1e-7)
    torch.testing.assert_close(found.unit_survival()["0"], survivals, rtol=0, atol=1e-4)


def test_unattainable_law_names_the_nearest(architecture):
    with pytest.raises(UnattainableLawError) as caught:
        IndependentInclusion.from_width_law(architecture, negative_binomial(2.0, 1.0, minimum=0))
    nearest = caught.value.nearest
    assert nearest.shape == (6,)
    assert caught.value.divergence > 1e-4
    # Its divergence is the one that is stated, and no small change of the survivals improves it.
    wanted = negative_binomial(2.0, 1.0, minimum=0)(6).softmax(0)

    def divergence(p):
        prior = IndependentInclusion.from_survival(architecture, {"0": p, "2": torch.full((4,), 0.5)})
        return float((wanted * (wanted.log() - prior.log_width_pmf("0"))).sum())

    assert divergence(nearest.clamp(1e-15, 1 - 1e-15)) == pytest.approx(caught.value.divergence, abs=1e-8)
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        logits = torch.logit(nearest) + 0.05 * torch.randn(6, dtype=torch.float64, generator=rng)
        assert divergence(torch.sigmoid(logits)) >= caught.value.divergence - 1e-9


def test_a_law_that_excludes_zero_is_unattainable(architecture):
    with pytest.raises(UnattainableLawError):
        IndependentInclusion.from_width_law(architecture, negative_binomial(2.0, 1.0, minimum=1))


def test_a_law_of_many_units_is_not_decided():
    with pytest.raises(ExactLimitError, match="TiltedWidth"):
        IndependentInclusion.from_width_law(mlp_architecture(65), negative_binomial(2.0, 1.0))


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, float("nan")])
def test_survival_out_of_range(architecture, bad):
    with pytest.raises(SurvivalError, match="unit 1"):
        IndependentInclusion.from_survival(
            architecture, {"0": torch.tensor([0.5, bad, 0.5, 0.5, 0.5, 0.5]), "2": torch.full((4,), 0.5)}
        )


def test_bad_costs(architecture):
    with pytest.raises(SurvivalError, match="shape"):
        IndependentInclusion(architecture, {"0": torch.zeros(5), "2": torch.zeros(4)})
    with pytest.raises(SurvivalError, match="groups"):
        IndependentInclusion(architecture, {"0": torch.zeros(6)})
    with pytest.raises(SurvivalError, match="finite"):
        IndependentInclusion(architecture, {"0": torch.zeros(6) / 0, "2": torch.zeros(4)})
    with pytest.raises(StrengthError):
        IndependentInclusion.from_guidance(architecture, guidance.linear(), strength=-1.0)


def test_wrong_masks(architecture, prior):
    with pytest.raises(ArchitectureMismatchError):
        prior.log_prob(mlp_architecture(6, 5).full())
    with pytest.raises(MaskError):
        prior.log_prob_masks({"0": torch.ones(1, 6, dtype=torch.bool)})
    with pytest.raises(MaskError):
        prior.log_prob_masks({"0": torch.ones(1, 6, dtype=torch.bool), "2": torch.ones(1, 5, dtype=torch.bool)})
    with pytest.raises(ProtectedGroupError):
        prior.width_pmf("4")
    with pytest.raises(ProtectedGroupError):
        prior.condition(min_width={"4": 1})
    with pytest.raises(WidthLawError):
        prior.condition(min_width=5)
    with pytest.raises(ConfigError, match="k=0"):
        prior.most_probable(0)


def test_a_group_that_is_wholly_protected_is_refused(architecture):
    with pytest.raises(MaskError, match="protected"):
        IndependentInclusion(architecture, COSTS, protected={"2": torch.ones(4, dtype=torch.bool)}).entropy()


def test_float32_costs_are_computed_in_float64(architecture):
    prior = IndependentInclusion(architecture, {name: value.float() for name, value in COSTS.items()})
    assert prior.entropy().dtype == torch.float64
    assert prior.unit_survival()["0"].dtype == torch.float64


def test_joint_site_has_the_prior_as_density(prior):
    trace = poutine.trace(lambda: prior.pyro_masks("joint")).get_trace()
    masks = {name: value.bool() for name, value in trace.nodes["_RETURN"]["value"].items()}
    expected = prior.log_prob_masks({name: mask[None] for name, mask in masks.items()})[0]
    assert float(trace.log_prob_sum()) == pytest.approx(float(expected), rel=1e-5)


def test_enumerated_sites_sum_to_one(prior):
    model = poutine.enum(prior.pyro_masks, first_available_dim=-2)
    trace = poutine.trace(model).get_trace("enumerated")
    trace.compute_log_prob()
    assert trace.nodes["mask.0"]["value"].shape == (2, 1)
    table = trace.nodes["mask.0"]["log_prob"].exp()
    torch.testing.assert_close(table[1].double(), prior.unit_survival()["0"], rtol=1e-6, atol=0)


@pytest.mark.parametrize("form", ["relaxed", "straight_through"])
def test_relaxed_sites_have_gradients_and_the_right_odds(prior, form):
    pyro.set_rng_seed(3)
    draws = torch.stack([prior.pyro_masks(form, temperature=0.1)["0"] for _ in range(1500)])
    # A relaxed variable exceeds 1/2 with the probability of the binary one, at any temperature.
    error = (draws > 0.5).double().mean(0) - prior.unit_survival()["0"]
    assert (error.abs() < 4 * 0.5 / 1500**0.5).all()


def test_unknown_form(prior):
    conditioned = prior.condition(min_width=1)
    assert conditioned.supported_forms == ("joint",)
    with pytest.raises(UnsupportedFormError, match="joint"):
        conditioned.pyro_masks("relaxed")
