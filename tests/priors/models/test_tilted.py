"""Wanted laws of widths and of the size, with a guided composition, against every mask (P13)."""

from itertools import combinations

import numpy as np
import pytest
import torch

import bayes_guided.guidance as guidance
from bayes_guided.exceptions import WidthLawError
from bayes_guided.priors.models.shared_budget import SharedBudget
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.width_laws import negative_binomial, poisson, uniform
from tests.priors.every_mask import EveryMask, assert_matches, assert_samples, mlp_architecture

COSTS = {
    "0": torch.tensor([-1.0, 0.3, 2.0, -0.2, 0.9, 4.0], dtype=torch.float64),
    "2": torch.tensor([0.1, -3.0, 1.2, 0.4], dtype=torch.float64),
}
BIMODAL = {
    "0": torch.tensor([0.0, 0.4, 0.1, 0.0, 0.1, 0.1, 0.3], dtype=torch.float64),
    "2": torch.tensor([0.2, 0.2, 0.1, 0.4, 0.1], dtype=torch.float64),
}


@pytest.fixture
def architecture():
    return mlp_architecture(6, 4)


def elementary(odds, k):
    return sum(float(np.prod(chosen)) for chosen in combinations(odds, k))


def log_tilted(mask, costs, pmf):
    with np.errstate(divide="ignore"):
        size = int(mask.sum())
        return np.log(pmf[size]) - costs @ mask - np.log(elementary(np.exp(-costs), size))


def test_every_quantity(architecture):
    laws = {name: value.log() for name, value in BIMODAL.items()}
    prior = TiltedWidth(architecture, laws, COSTS)
    truth = EveryMask.of(architecture, lambda m: sum(log_tilted(m[g], COSTS[g].numpy(), BIMODAL[g].numpy()) for g in m))
    assert_matches(prior, truth)
    assert_samples(prior, truth)
    conditioned = prior.condition(min_width=2)
    assert_matches(conditioned, truth.given({"0": 2, "2": 2}))
    assert_samples(conditioned, truth.given({"0": 2, "2": 2}), draws=200_000)


def test_guided_with_protected_units(architecture):
    prior = TiltedWidth.from_guidance(architecture, guidance.step(2.0), strength=1.0, widths=poisson(3.0))
    assert (prior.unit_survival()["0"][:2] == 1).all()
    weights = np.array([0, 0, 9 / 2, 27 / 6, 81 / 24, 243 / 120, 729 / 720])
    np.testing.assert_allclose(prior.width_pmf("0"), weights / weights.sum(), rtol=1e-13)


def test_a_table_that_contradicts_protection(architecture):
    with pytest.raises(WidthLawError, match="protected"):
        TiltedWidth.from_guidance(architecture, guidance.step(2.0), strength=1.0, widths=BIMODAL)


def shared_truth(architecture, law):
    costs = torch.cat(list(COSTS.values())).numpy()
    symmetric = {k: np.log(elementary(np.exp(-costs), k)) for k in range(11)}

    def weight(masks):
        mask = np.concatenate(list(masks.values()))
        return float(law[mask.sum()]) - costs @ mask - symmetric[mask.sum()]

    return EveryMask.of(architecture, weight)


def test_shared_budget(architecture):
    law = poisson(4.0, minimum=0)(10)
    prior = SharedBudget(architecture, law, COSTS)
    truth = shared_truth(architecture, law.numpy())
    assert_matches(prior, truth)
    assert_samples(prior, truth)
    once = prior.condition(min_width={"0": 2})
    assert_matches(once, truth.given({"0": 2}))
    twice = once.condition(min_width=1)
    assert_matches(twice, truth.given({"0": 2, "2": 1}))
    assert_samples(twice, truth.given({"0": 2, "2": 1}), draws=200_000)


def test_shared_budget_with_impossible_sizes(architecture):
    law = torch.full((11,), -torch.inf, dtype=torch.float64)
    law[[2, 5, 9]] = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    truth = shared_truth(architecture, law.numpy())
    prior = SharedBudget(architecture, law, COSTS)
    assert_matches(prior, truth)
    assert_matches(prior.condition(min_width=2), truth.given({"0": 2, "2": 2}))


def test_shared_from_guidance(architecture):
    prior = TiltedWidth.shared(architecture, guidance.linear(), strength=2.0, sizes=negative_binomial(4.0, 2.0))
    assert isinstance(prior, SharedBudget)
    np.testing.assert_allclose(prior.size_pmf()[1:], negative_binomial(4.0, 2.0)(10).softmax(0)[1:], rtol=1e-12)
    fixed = TiltedWidth.shared(architecture, guidance.step(1.0), strength=2.0, sizes=uniform())
    np.testing.assert_allclose(fixed.size_pmf(), np.append([0, 0], np.full(9, 1 / 9)), rtol=1e-12)


def test_shared_bad_laws(architecture):
    with pytest.raises(WidthLawError, match=r"\(11,\)"):
        TiltedWidth.shared(architecture, guidance.linear(), strength=1.0, sizes=torch.full((10,), 0.1))
    empty = torch.full((11,), -torch.inf, dtype=torch.float64)
    with pytest.raises(WidthLawError, match="no width"):
        SharedBudget(architecture, empty, COSTS)
    empty[0] = 0.0
    with pytest.raises(WidthLawError, match="no width"):
        SharedBudget(architecture, empty, COSTS).condition(min_width=1)


def test_marginals_of_many_units_keep_their_sum():
    architecture = mlp_architecture(700, 300)
    prior = TiltedWidth.shared(architecture, guidance.linear(), strength=3.0, sizes=poisson(100.0))
    survival = prior.unit_survival()
    size = prior.size_pmf() @ torch.arange(1001, dtype=torch.float64)
    assert float(sum(value.sum() for value in survival.values())) == pytest.approx(float(size), rel=1e-12)
    for name, value in survival.items():
        widths = torch.arange(len(value) + 1, dtype=torch.float64)
        assert float(value.sum()) == pytest.approx(float(prior.width_pmf(name) @ widths), rel=1e-12)
    draws = prior.sample(2000, torch.Generator().manual_seed(5))
    for name, value in survival.items():
        error = draws[name].double().mean(0) - value
        assert (error.abs() < 5 * (value * (1 - value) / 2000).sqrt() + 1e-3).all()
