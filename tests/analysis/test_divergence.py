"""Divergences of models against theory's enumeration of all of them."""

import math

import numpy as np
import pytest
import torch

from bayes_guided.analysis.divergence import total_correlation, unit_divergences, unit_log_bayes_factors
from bayes_guided.exceptions import ImproperPriorError, PosteriorError
from theory.enumeration import enumerate_models
from theory.measures import bernoulli_divergence, divergence_from_independent, log_bayes_factors


def coupled(units=6, scale=1.0):
    rng = np.random.default_rng(21)
    coupling = np.triu(scale * rng.normal(size=(units, units)), 1)
    return enumerate_models(lambda masks: np.einsum("nu,uv,nv->n", masks * 1.0, coupling, masks * 1.0), units)


def drawn(models, draws, seed):
    rng = np.random.default_rng(seed)
    return torch.tensor(models.masks[rng.choice(len(models.masks), size=draws, p=np.exp(models.log_probs))])


def test_log_bayes_factors():
    posterior, prior = np.array([0.2, 0.5, 0.999]), np.array([0.5, 0.1, 0.7])
    found = unit_log_bayes_factors(torch.logit(torch.tensor(prior)), torch.logit(torch.tensor(posterior)))
    torch.testing.assert_close(found, torch.tensor(log_bayes_factors(posterior, prior)))
    certain = unit_log_bayes_factors(torch.zeros(2), torch.tensor([math.inf, -math.inf]))
    assert certain.tolist() == [math.inf, -math.inf]


def test_lower_bound_and_what_it_lacks():
    models, odds = coupled(), np.linspace(-2, 1, 6)
    log_prior = models.masks @ odds - np.logaddexp(0, odds).sum()
    exact = float(np.exp(models.log_probs) @ (models.log_probs - log_prior))
    factorised, missing = divergence_from_independent(models, odds)
    found = float(unit_divergences(torch.tensor(models.unit_survival()), torch.tensor(odds)).sum())
    assert found == pytest.approx(factorised, rel=1e-12)
    assert found == pytest.approx(exact - missing, rel=1e-12)
    estimate = total_correlation(drawn(models, 100_000, 3))
    assert abs(estimate.nats - missing) < 4 * estimate.standard_error + 1e-3
    assert estimate.coverage == pytest.approx(1.0, abs=1e-3)
    assert estimate.models <= 64


def test_standard_error_and_bias_of_the_total_correlation():
    models = coupled()
    exact = models.total_correlation()
    estimates = [total_correlation(drawn(models, 2_000, seed)) for seed in range(200)]
    nats = np.array([estimate.nats for estimate in estimates])
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert np.std(nats) == pytest.approx(claimed, rel=0.25)
    assert abs(nats.mean() - exact) < 4 * np.std(nats) / math.sqrt(200) + 2e-3


def sticky(models, draws, seed, stay):
    """A chain that stays with this probability, and else draws anew: its law is the models'."""
    rng = np.random.default_rng(seed)
    fresh = rng.choice(len(models.masks), size=draws, p=np.exp(models.log_probs))
    moves = np.maximum.accumulate(np.where(rng.random(draws) > stay, np.arange(draws), 0))
    return torch.tensor(models.masks[fresh[moves]])


def test_the_standard_error_knows_a_chain_that_stays():
    models = coupled(units=3, scale=2.0)
    estimates = [total_correlation(sticky(models, 2_000, seed, 0.9)) for seed in range(100)]
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert np.std([estimate.nats for estimate in estimates]) == pytest.approx(claimed, rel=0.35)  # 19 times too many draws
    assert min(estimate.coverage for estimate in estimates) > 0.95


def test_a_chain_that_stays_has_not_seen_more():
    rng = np.random.default_rng(4)
    places = np.repeat(rng.permutation(4096)[:50], 20)
    masks = torch.tensor((places[:, None] >> np.arange(12)) % 2 == 1)
    assert total_correlation(masks).coverage == 0.0
    one = torch.ones(1000, 3, dtype=torch.bool)
    assert total_correlation(one).coverage == 1.0
    one[-1, 0] = False
    assert total_correlation(one).coverage == pytest.approx(0.999)


def test_independent_units_have_none():
    masks = torch.rand(50_000, 5, generator=torch.Generator().manual_seed(2)) < torch.tensor([0.1, 0.5, 0.9, 0.3, 1.0])
    estimate = total_correlation(masks)
    assert abs(estimate.nats) < 4 * estimate.standard_error + 1e-3


def test_too_few_draws_are_seen_in_the_coverage():
    masks = torch.rand(100, 40, generator=torch.Generator().manual_seed(1)) < 0.5
    estimate = total_correlation(masks)
    assert estimate.coverage == 0.0
    assert estimate.models == 100


def test_certain_units():
    posterior, odds = torch.tensor([0.0, 1.0, 1.0, 0.3]), torch.tensor([1.0, 1.0, math.inf, -math.inf])
    found = unit_divergences(posterior, odds)
    exact = bernoulli_divergence(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    torch.testing.assert_close(found[:2], torch.tensor(exact))
    assert found[2:].tolist() == [0.0, math.inf]


def test_refusals():
    with pytest.raises(ImproperPriorError, match="protected"):
        unit_log_bayes_factors(torch.tensor([math.inf]), torch.zeros(1))
    with pytest.raises(PosteriorError, match="NaN"):
        unit_log_bayes_factors(torch.zeros(1), torch.tensor([math.nan]))
    with pytest.raises(PosteriorError, match="outside"):
        unit_divergences(torch.tensor([1.2]), torch.zeros(1))
    with pytest.raises(PosteriorError, match="two draws"):
        total_correlation(torch.ones(1, 3, dtype=torch.bool))
