"""Posteriors of real fits as laws over models: what the comparison holds is what the fit says."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import bayes_guided as bg
from bayes_guided import guidance, priors
from bayes_guided.architecture import Architecture
from bayes_guided.infer.inclusion.fitting import fit_inclusion
from bayes_guided.infer.mcmc.fitting import fit_mcmc
from bayes_guided.priors import CumulativeShrinkage, GibbsComplexity, IndependentInclusion, NestedWidth, TiltedWidth
from bayes_guided.priors.models.width_laws import poisson
from tests.infer.problems import CLASSES, guided

DRAWS = 2000
BUDGET: dict[str, Any] = {"epochs": 3, "batch_size": 30, "lr": 0.05, "seed": 1, "allow_empty": True, "progress": False}
LINEAR = guidance.linear()
PRIORS = {
    "independent": lambda a: IndependentInclusion.from_guidance(a, LINEAR, strength=1.0),
    "nested": lambda a: NestedWidth.from_guidance(a, LINEAR, strength=0.2),
    "shrinkage": lambda a: CumulativeShrinkage.from_guidance(a, LINEAR, strength=0.1).condition(min_width={"layers.0": 1}),
    "tilted": lambda a: TiltedWidth.from_guidance(a, LINEAR, strength=1.0, widths=poisson(3.0)),
    "complexity": lambda a: GibbsComplexity(a, "parameters", beta=0.02),
    "shared": lambda a: TiltedWidth.shared(a, LINEAR, strength=1.0, sizes=poisson(6.0)),
    "protected": lambda a: IndependentInclusion.from_guidance(a, guidance.step(2), strength=1.0),
}


@cache
def fitted(name: str):
    net = CLASSES.net()
    architecture = Architecture.from_module(net, CLASSES.data()[0][:2])
    models = PRIORS[name](architecture)
    coefficients = {g: 1.0 - mask.double() for g, mask in models.protected.items()} if models.protected else None
    slab = {} if coefficients is None else {"guidance": guidance.custom(coefficients)}
    prior = bg.SpikeAndSlabPrior(architecture, models, priors.Normal(strength=1.0), **slab)
    return fit_inclusion(net, prior, CLASSES.data(), **BUDGET)


@pytest.mark.parametrize("name", list(PRIORS))
def test_the_law_of_a_variational_posterior_is_its_own(name):
    fit = fitted(name)
    found = bg.compare(fit.prior, fit, draws=DRAWS).dataset
    masks = fit.masks("inclusion", DRAWS, generator=torch.Generator().manual_seed(9))
    size = sum(mask.sum(dim=1) for mask in masks.values())
    for place, (group, mask) in enumerate(masks.items()):
        law = found["posterior_width_pmf"].values[place, : mask.shape[1] + 1]
        np.testing.assert_allclose(law, fit.width_pmf(group), rtol=1e-8, atol=1e-12)
        survival = fit.unit_survival("inclusion")[group]
        np.testing.assert_allclose(found["posterior_survival"].values[place, : mask.shape[1]], survival, rtol=1e-12)
        drawn = found["posterior_width"].values[:, place]
        mean = float(law @ np.arange(len(law)))
        assert abs(drawn.mean() - mean) <= 4 * max(drawn.std(), 1e-3) / DRAWS**0.5
    law = found["posterior_size_pmf"].values
    frequency = np.bincount(size, minlength=len(law)) / DRAWS
    assert (np.abs(frequency - law) <= 4 * np.sqrt(law * (1 - law) / DRAWS) + 3 / DRAWS).all()
    entropy = float(fit.guide.inclusion.entropy().detach())
    independent = sum(_binary_entropy(values) for values in fit.unit_survival("inclusion").values())
    assert float(found["total_correlation_all"]) == pytest.approx(max(independent - entropy, 0.0), abs=1e-6)


@pytest.mark.parametrize("name", ["independent", "nested", "tilted", "complexity", "shared"])
def test_the_divergence_of_a_variational_posterior_by_its_definition(name):
    """E_q (log q - log p), by draws of q that the comparison has not seen."""
    fit = fitted(name)
    found = bg.compare(fit.prior, fit, draws=DRAWS).dataset
    inclusion = fit.guide.inclusion
    blocks = inclusion.sample(DRAWS, torch.Generator().manual_seed(8))
    with torch.no_grad():
        terms = inclusion.log_prob(blocks) - fit.prior.models.log_prob_masks(inclusion.complete_masks(blocks))
    error = np.hypot(float(terms.std()) / DRAWS**0.5, float(found["divergence_error_all"]))
    # A law that is nearly sure has models that no draw meets: here of probability 1e-9 or so, some 20 nats each.
    assert abs(float(found["divergence_all"]) - float(terms.mean())) <= 4 * error + 1e-6


@pytest.mark.parametrize("reading", ["threshold", "shrinkage", "evidence"])
def test_independent_weights_give_the_exact_law_of_widths(reading):
    """The law of a sum of independent units; in the readings that have joint models, the draws agree with it."""
    net = CLASSES.net()
    prior = bg.GuidedPrior(Architecture.from_module(net, CLASSES.data()[0][:2]), weights=priors.GroupLaplace(strength=1.0))
    fit = bg.fit_svi(net, prior, CLASSES.data(), guide="mean_field", epochs=5, batch_size=20, seed=0, progress=False)
    numbers = {"tau": 0.5} if reading == "threshold" else {"curvature": 10.0}
    found = bg.compare(prior, fit, reading=reading, draws=DRAWS, **numbers).dataset
    for place, (group, survival) in enumerate(fit.unit_survival(reading, **numbers).items()):
        law = np.ones(1)
        for p in survival.tolist():
            law = np.convolve(law, [1 - p, p])
        np.testing.assert_allclose(found["posterior_width_pmf"].values[place, : len(law)], law, atol=1e-12)
        if reading == "threshold":
            widths = fit.masks(reading, DRAWS, **numbers, generator=torch.Generator().manual_seed(9))[group].sum(dim=1)
            frequency = np.bincount(widths, minlength=len(law)) / DRAWS
            assert (np.abs(frequency - law) <= 4 * np.sqrt(law * (1 - law) / DRAWS) + 3 / DRAWS).all()
    assert float(found["total_correlation_all"]) == 0


def test_members_of_an_ensemble_are_frequencies_beside_the_evidence_prior():
    net = CLASSES.net()
    prior = CLASSES.prior(net)
    fit = bg.infer.fit_ensemble(
        net, prior, CLASSES.data(), members=5, epochs=8, batch_size=16, lr=2e-2, seed=2, progress=False
    )
    found = bg.compare(prior, fit, curvature=30.0).dataset
    for place, (name, widths) in enumerate(fit.member_widths.items()):
        law = np.bincount(widths, minlength=len(fit.rows[name]) + 1) / 5
        np.testing.assert_allclose(found["posterior_width_pmf"].values[place, : len(law)], law)
        np.testing.assert_allclose(found["posterior_effective_width"].values[place], widths.double().mean())
    assert found.sizes["draw"] == 5
    assert np.isnan(found["log_bayes_factor"]).all()
    assert np.isfinite(found["posterior_lower"].sel(group="layers.0")).all()
    assert found.attrs["prior_reading"] == "evidence"


def test_chains_are_all_draws_that_they_have():
    net = CLASSES.net()
    prior = CLASSES.prior(net)
    fit = fit_mcmc(net, prior, CLASSES.data(), chains=2, draws=15, warmup=40, max_tree_depth=3, seed=4, progress=False)
    found = bg.compare(prior, fit, reading="threshold", tau=0.5).dataset
    assert found.sizes["draw"] == 30
    widths = (found["posterior_width_pmf"] * found["width"]).sum("width")
    np.testing.assert_allclose(widths, found["posterior_effective_width"], rtol=1e-9)  # both count the same draws


@pytest.fixture(scope="module")
def laplace():
    net = CLASSES.net()
    prior = guided(net, CLASSES.data()[0][:2], 2.5)
    fit = bg.fit_map(net, prior, CLASSES.data(), epochs=20, batch_size=16, lr=2e-2, warmup_steps=10, seed=3)
    assert 0 < fit.sub_architecture().num_units < 20
    return bg.infer.laplace(fit, CLASSES.data())


def test_a_laplace_fit_has_evidence_and_says_which_units_it_does_not_know(laplace):
    comparison = bg.compare(laplace.prior, laplace, reading="evidence", curvature=30.0)
    found = comparison.dataset
    assert float(found["log_evidence"]) == pytest.approx(laplace.evidence.log_evidence)
    assert float(found["log_fit"]) == laplace.evidence.fit
    assert float(found["log_fit"] + found["log_occam_factor"]) == pytest.approx(float(found["log_evidence"]))
    gone = sum(laplace.num_gone.values())
    assert any(note.startswith(f"{gone} units have no posterior survival") for note in comparison.notes[""])
    factors = laplace.unit_log_bayes_factors("evidence", curvature=30.0)
    for place, values in enumerate(factors.values()):
        np.testing.assert_allclose(found["log_bayes_factor"].values[place, : len(values)], values, rtol=1e-8)
        known = np.nansum(found["posterior_survival"].values[place])
        assert float(found["posterior_effective_width"][place]) == pytest.approx(known)
    assert np.isnan(found["divergence_all"])
    assert float(found["divergence_lower_bound_all"]) == pytest.approx(float(found["unit_divergence"].sum()))


def test_a_laplace_fit_has_joint_models_in_the_threshold_reading(laplace):
    found = bg.compare(laplace.prior, laplace, reading="threshold", tau=0.3, draws=DRAWS).dataset
    widths = (found["posterior_width_pmf"] * found["width"]).sum("width")
    survival = found["posterior_survival"]
    error = np.sqrt((survival * (1 - survival)).sum("unit") * found["num_units"] / DRAWS)
    assert (np.abs(widths - found["posterior_effective_width"]) <= 4 * error + 1e-9).all()


def _binary_entropy(survival) -> float:
    return -float((torch.xlogy(survival, survival) + torch.xlogy(1 - survival, 1 - survival)).sum())
