"""Linear regression, where the posterior is Gaussian: what every guide should find is known in closed form."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

import bayes_guided as bg
from bayes_guided import priors
from bayes_guided.architecture import Architecture
from tests.scenarios.linear import LinearScenario

HEAD = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.3], [0.2, 0.0, 1.0]])
STRENGTH = 0.5  # prior variance 1 per weight


@cache
def scenario() -> LinearScenario:
    """Three units of two weights on features with a correlation of 0.3."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 2)) @ np.array([[1.0, 0.3], [0.0, 0.95]])
    return LinearScenario("svi", inputs, present=(0, 2), head=HEAD)


def design_and_targets() -> tuple[Tensor, Tensor]:
    return torch.from_numpy(scenario().design), torch.from_numpy(scenario().targets.ravel())


@cache
def truth() -> MultivariateNormal:
    """The exact posterior of the full model, float64."""
    design, targets = design_and_targets()
    noise = scenario().noise_scale ** 2
    precision = design.T @ design / noise + 2 * STRENGTH * torch.eye(design.shape[1], dtype=torch.float64)
    return MultivariateNormal(torch.linalg.solve(precision, design.T @ targets) / noise, precision_matrix=precision)


def log_evidence(strength: float = STRENGTH) -> float:
    design, targets = design_and_targets()
    noise = scenario().noise_scale ** 2 * torch.eye(len(design), dtype=torch.float64)
    covariance = design @ design.T / (2 * strength) + noise
    return float(MultivariateNormal(torch.zeros_like(targets), covariance).log_prob(targets))


@cache
def fitted(guide: str, **settings: Any) -> bg.SVIFit:
    found = scenario()
    net = found.net()
    data = (torch.from_numpy(found.inputs), torch.from_numpy(found.targets))
    prior = bg.GuidedPrior(Architecture.from_module(net, data[0][:2]), weights=priors.Normal(strength=STRENGTH))
    budget: dict[str, Any] = {
        "epochs": 600,
        "batch_size": 40,
        "lr": 0.1,
        "start_sd": 0.1,
        "ramp_epochs": 0.0,
        "elbo_draws": 100,
        "seed": 0,
    }
    if guide == "full" or "reparameterisation" in settings:  # all weights drawn: noisier gradients than drawn outputs
        budget["particles"] = 6
    fit = bg.fit_svi(net, prior, data, likelihood=found.likelihood, guide=guide, **(budget | settings))
    assert isinstance(fit, bg.SVIFit)
    return fit


def divergence(fit: bg.SVIFit) -> float:
    """KL(q || p(. | D)), which is the gap of the ELBO."""
    posterior = fit.posterior
    q = MultivariateNormal(posterior.mean.detach(), posterior.covariance_block(torch.arange(len(posterior))))
    return float(torch.distributions.kl_divergence(q, truth()))


@pytest.mark.parametrize("guide", ["full", "low_rank", "mean_field", "row_scale"])
def test_the_elbo_is_the_log_evidence_less_the_divergence_from_the_posterior(guide):
    fit = fitted(guide)
    assert abs(float(fit.elbo.value) - (log_evidence() - divergence(fit))) < 4 * float(fit.elbo.standard_error)


def test_full_covariance_finds_the_posterior():
    fit, sd = fitted("full"), truth().covariance_matrix.diagonal().sqrt()
    assert divergence(fit) < 0.05
    assert bool(((fit.posterior.mean - truth().mean).abs() < 0.15 * sd).all())
    error = fit.posterior.covariance_block(torch.arange(len(sd))) - truth().covariance_matrix
    assert float((error / sd / sd[:, None]).abs().max()) < 0.15


def test_evidence_of_a_unit_under_the_full_covariance_is_that_of_the_models():
    evidences = dict(zip(map(tuple, scenario().masks.tolist()), scenario().truth.log_evidences.tolist(), strict=True))
    full = evidences[(True, True, True)]
    assert full == pytest.approx(log_evidence(), abs=1e-8)
    fit = fitted("full")
    factors = fit.removal_evidence()["0"].log_bayes_factor
    odds = fit.unit_log_bayes_factors("evidence", curvature=10.0)["0"]
    torch.testing.assert_close(odds, factors)
    for unit in range(3):
        exact = full - evidences[tuple(other != unit for other in range(3))]
        assert float(factors[unit]) == pytest.approx(exact, abs=0.6 + 0.1 * abs(exact))  # the log odds grow with 1 / s^2


@pytest.mark.parametrize("reparameterisation", ["local", "weights"])
def test_mean_field_finds_the_inverse_of_the_precision_diagonal(reparameterisation):
    fit = fitted("mean_field", reparameterisation=reparameterisation)
    precision = truth().precision_matrix
    sd = precision.diagonal().rsqrt()
    torch.testing.assert_close(fit.guide.sds.flat().detach(), sd, rtol=0.1, atol=0)
    assert bool(((fit.posterior.mean - truth().mean).abs() < 0.15 * sd).all())
    best = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    assert divergence(fit) == pytest.approx(best, abs=0.05)


def test_row_scale_finds_the_inverse_of_the_mean_precision_of_a_row():
    scale = truth().precision_matrix.diagonal().reshape(3, 2).mean(dim=1).rsqrt()
    torch.testing.assert_close(fitted("row_scale").guide.sds.rows["0"][:, 0].detach(), scale, rtol=0.1, atol=0)


def test_low_rank_lies_between_mean_field_and_full():
    assert divergence(fitted("low_rank")) < divergence(fitted("mean_field")) / 2


def test_the_fixed_head_stays_and_no_evidence_counts_it():
    fit = fitted("mean_field")
    assert torch.equal(next(iter(fit.net[1].parameters())), next(iter(scenario().net()[1].parameters())))
    assert torch.equal(fit.draws(3).rest, fit.architecture.rest_vector(fit.net).detach().expand(3, -1))
    assert len(fit.posterior) == 6


def test_a_learned_strength_is_the_gamma_posterior_of_the_rows():
    fit = fitted("full", strength=priors.GammaStrength(2.0, 1.0))
    moments = fit.guide.moments()
    size = float((moments.means.rows["0"].square() + moments.variances.rows["0"]).detach().sum())
    assert fit.strength is not None
    assert fit.strength.shape == pytest.approx(2.0 + 3)  # d / k = 2 / 2 for each of three rows
    assert fit.strength.rate == pytest.approx(1.0 + size, rel=1e-9)
    assert fit.prior.weights.strength == pytest.approx(fit.strength.mean)
    assert "strength learned" in fit.approximation
    grid = torch.linspace(0.02, 12, 1500, dtype=torch.float64)
    parts = torch.tensor([log_evidence(float(s)) for s in grid], dtype=torch.float64)
    parts = parts + torch.distributions.Gamma(2.0, 1.0).log_prob(grid)
    exact = float(torch.logsumexp(parts, 0)) + math.log(float(grid[1] - grid[0]))
    assert exact - 0.5 < float(fit.elbo.value) + 4 * float(fit.elbo.standard_error)
    assert float(fit.elbo.value) - 4 * float(fit.elbo.standard_error) < exact
