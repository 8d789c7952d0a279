"""The priors over models held against `theory/`, at sizes beyond brute force."""

import numpy as np
import pytest
import torch

from bayes_guided import guidance
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.multiplicative_gamma import MultiplicativeGamma
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.width_laws import poisson
from tests.priors.every_mask import mlp_architecture
from theory import cumulative_shrinkage, gibbs, inverse, nested, size_law, tilted

COSTS = np.linspace(-1.0, 3.0, 200)


@pytest.fixture(scope="module")
def architecture():
    return mlp_architecture(200)


def tensors(values):
    return {"0": torch.from_numpy(np.asarray(values, dtype=np.float64))}


def masks_of(rng, *shape):
    return rng.random(shape) < 0.4


def test_independent(architecture):
    prior = IndependentInclusion(architecture, tensors(COSTS))
    np.testing.assert_allclose(prior.log_width_pmf("0"), size_law.poisson_binomial_log_pmf(-COSTS), rtol=1e-12)
    assert float(prior.entropy()) == pytest.approx(size_law.entropy(-COSTS), rel=1e-13)
    best, values = size_law.most_probable(-COSTS, 300)
    ranked = prior.most_probable(300)
    np.testing.assert_allclose([value for _, value in ranked], values, rtol=1e-12)
    np.testing.assert_array_equal(ranked[0][0].masks["0"].numpy(), np.asarray(best[0], dtype=bool))


def test_mean_width(architecture):
    prior = IndependentInclusion.from_mean_width(architecture, {"0": 12.0})
    expected = inverse.costs_from_survival(np.full(200, 0.06))
    np.testing.assert_allclose(prior.costs["0"], expected, rtol=1e-12)


def test_mean_width_of_nested_units(architecture):
    shape = guidance.polynomial(1.5)
    hazards = inverse.hazards_from_mean_width(12.0, shape.coefficients(architecture)["0"].numpy())
    prior = NestedWidth.from_mean_width(architecture, {"0": 12.0}, guidance=shape)
    np.testing.assert_allclose(prior.log_width_pmf("0"), nested.log_width_pmf_from_hazards(hazards), rtol=1e-10)
    shrunk = CumulativeShrinkage.from_mean_width(architecture, {"0": 12.0}, guidance=shape)
    np.testing.assert_allclose(shrunk.increments["0"], hazards, rtol=1e-11)


def test_nested(architecture):
    hazards = 0.002 * np.arange(1, 201)
    prior = NestedWidth.from_hazard(architecture, tensors(-np.expm1(-hazards)))
    np.testing.assert_allclose(prior.log_width_pmf("0"), nested.log_width_pmf_from_hazards(hazards), rtol=1e-11)
    np.testing.assert_allclose(prior.unit_survival()["0"], nested.survival_from_hazards(hazards), rtol=1e-11)
    assert float(prior.entropy()) == pytest.approx(nested.entropy(hazards), rel=1e-12)


def test_tilted(architecture):
    prior = TiltedWidth(architecture, {"0": poisson(30.0)(200)}, tensors(COSTS))
    law = prior.width_pmf("0").numpy()
    np.testing.assert_allclose(prior.unit_survival()["0"], tilted.inclusion_probabilities(COSTS, law), rtol=1e-10)
    masks = masks_of(np.random.default_rng(0), 50, 200)
    found = prior.log_prob_masks({"0": torch.from_numpy(masks)})
    np.testing.assert_allclose(found, tilted.log_prob(masks, COSTS, law), rtol=1e-12)


def test_cumulative_shrinkage():
    hazards = np.array([0.1, 0.3, 0.2, 0.6, 0.4, 0.05, 0.7, 0.2, 0.3, 0.1, 0.2, 0.2])
    prior = CumulativeShrinkage(mlp_architecture(12), tensors(hazards))
    concentration = 1 / -np.expm1(-hazards)  # v ~ Beta(1, .) in the theory's general Beta sticks
    masks = masks_of(np.random.default_rng(1), 40, 12)
    found = prior.log_prob_masks({"0": torch.from_numpy(masks)})
    wanted = [cumulative_shrinkage.log_prob(mask, hazards, concentration) for mask in masks]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    k = torch.arange(13, dtype=torch.float64)
    pmf = prior.width_pmf("0")
    variance = float(pmf @ k**2 - (pmf @ k) ** 2)
    assert variance == pytest.approx(cumulative_shrinkage.width_covariance(hazards, concentration).sum(), rel=1e-11)


def test_multiplicative_gamma():
    process = MultiplicativeGamma(mlp_architecture(5), 2.5, 3.2)
    wanted = [cumulative_shrinkage.gamma_process_mean_variance(2.5, 3.2, column) for column in range(1, 6)]
    np.testing.assert_allclose(process.expected_variance()["0"], wanted, rtol=1e-12)
    drift = cumulative_shrinkage.gamma_process_log_precision_drift(3.2)
    np.testing.assert_allclose(process.expected_log_precision()["0"].diff(), drift, rtol=1e-12)


def test_gibbs_chain():
    beta, sizes = 0.01, (60, 40, 50)
    prior = GibbsComplexity(mlp_architecture(*sizes), "parameters", beta=beta)
    # Parameters of the perceptron: one weight per pair of neighbours, one bias per unit, 2 biases of the output.
    chain = gibbs.Chain(sizes, 3, 2, (beta,) * 4, (beta,) * 3)
    assert prior.log_normaliser == pytest.approx(gibbs.chain_log_normalizer(chain) - 2 * beta, rel=1e-12)
    for name, pmf in zip(("0", "2", "4"), gibbs.chain_width_pmfs(chain), strict=True):
        np.testing.assert_allclose(prior.width_pmf(name), pmf, atol=1e-12)
