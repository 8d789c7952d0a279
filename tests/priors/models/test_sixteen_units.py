"""The largest brute force: all 65,536 masks of 16 units, in one group and in three."""

from functools import cache

import numpy as np
import torch

import bayes_guided.guidance as guidance
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.shared_budget import SharedBudget
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.width_laws import negative_binomial
from tests.priors.every_mask import EveryMask, assert_matches, mlp_architecture


def elementary(odds):
    """Elementary symmetric polynomials: the coefficients of prod (1 + o z)."""
    coefficients = np.ones(1)
    for value in odds:
        coefficients = np.convolve(coefficients, [1.0, value])
    return coefficients


def test_independent_and_conditioned():
    architecture = mlp_architecture(7, 5, 4)
    prior = IndependentInclusion.from_guidance(architecture, guidance.linear(), strength=1.3)
    costs = {name: value.numpy() for name, value in prior.costs.items()}
    truth = EveryMask.of(architecture, lambda m: -sum(costs[g] @ m[g] for g in m))
    assert_matches(prior, truth)
    assert_matches(prior.condition(min_width=2), truth.given(dict.fromkeys(costs, 2)))


def test_tilted_in_one_group():
    architecture = mlp_architecture(16)
    law = negative_binomial(5.0, 2.0, minimum=0)
    prior = TiltedWidth.from_guidance(architecture, guidance.polynomial(2.0), strength=1.5, widths=law)
    costs, weights = prior.costs["0"].numpy(), law(16).numpy()
    symmetric = np.log(elementary(np.exp(-costs)))
    truth = EveryMask.of(architecture, lambda m: weights[m["0"].sum()] - costs @ m["0"] - symmetric[m["0"].sum()])
    assert_matches(prior, truth)


def test_shared_budget_with_minimums():
    architecture = mlp_architecture(7, 5, 4)
    costs = {group.name: torch.linspace(-2, 3, group.size, dtype=torch.float64) for group in architecture.groups}
    joined = np.concatenate([value.numpy() for value in costs.values()])
    law = negative_binomial(5.0, 2.0, minimum=0)(16)
    symmetric = np.log(elementary(np.exp(-joined)))

    def weight(masks):
        mask = np.concatenate(list(masks.values()))
        return float(law[mask.sum()]) - joined @ mask - symmetric[mask.sum()]

    truth = EveryMask.of(architecture, weight)
    prior = SharedBudget(architecture, law, costs)
    assert_matches(prior, truth)
    assert_matches(prior.condition(min_width={"0": 3, "4": 1}), truth.given({"0": 3, "4": 1}))


def test_gibbs():
    architecture = mlp_architecture(7, 5, 4)
    prior = GibbsComplexity(architecture, "macs", beta=0.03)

    @cache
    def cost(*widths):
        return 0.03 * architecture.costs.macs(dict(zip(prior.units.names, widths, strict=True)))

    truth = EveryMask.of(
        architecture,
        lambda m: -cost(*(int(v.sum()) for v in m.values())) if all(v.any() for v in m.values()) else -np.inf,
    )
    assert_matches(prior, truth)
