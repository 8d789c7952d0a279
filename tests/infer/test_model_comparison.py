"""Evidence of sub-architectures by refitting: exact in linear models, near quadrature in logistic ones."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from torch import nn

from bayes_guided import GuidedPrior, compare_models, guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ArchitectureMismatchError, PosteriorError
from tests.scenarios import CORRELATED, ROWS_CORRELATED
from theory.enumeration import all_masks

from .problems import CLASSES

QUICK: dict[str, Any] = {"epochs": 3, "batch_size": 64, "lr": 1e-2, "warmup_steps": 2, "seed": 0}


@pytest.mark.parametrize("scenario", [ROWS_CORRELATED, CORRELATED], ids=lambda scenario: scenario.name)
def test_linear_models_are_exact(scenario):
    """Rows of several weights, and gates; of eight units every seventeenth model. The empty model is among them."""
    pressed = guidance.linear() if scenario.guided else guidance.constant()
    prior = GuidedPrior(scenario.architecture, priors.Normal(strength=0.5 / scenario.slab_variance), pressed)
    chosen = np.arange(0, len(scenario.truth.masks), 17 if scenario.units > 5 else 1)
    models = {
        str(place): scenario.architecture.sub_architecture({scenario.group: scenario.masks[place]}, allow_empty=True)
        for place in chosen
    }
    log_prior = {str(place): float(scenario.log_prior[place]) for place in chosen}
    table = compare_models(
        scenario.net(), prior, scenario.data(), models, likelihood=scenario.likelihood, log_prior=log_prior, **QUICK
    )
    assert table.names == tuple(models)
    np.testing.assert_allclose(table.log_evidence, scenario.truth.log_evidences[chosen], atol=1e-9)
    posterior = np.exp(scenario.truth.log_posterior[chosen])
    np.testing.assert_allclose(table.probability, posterior / posterior.sum(), atol=1e-9)
    torch.testing.assert_close(table.fit + table.log_occam, table.log_evidence)


def test_guidance_stays_with_its_units():
    """Two units with guidance 0.4 and 1.6: models of one unit differ by it."""
    scenario = ROWS_CORRELATED
    coefficients = torch.tensor([0.4, 1.6, 1.0, 1.0, 1.0], dtype=torch.float64)
    given = guidance.custom({scenario.group: coefficients}, normalise=False)
    prior = GuidedPrior(scenario.architecture, priors.Normal(strength=1.0), given)
    masks = [torch.arange(5) == unit for unit in (0, 1)]
    models = [scenario.architecture.sub_architecture({scenario.group: mask}) for mask in masks]
    table = compare_models(scenario.net(), prior, scenario.data(), models, likelihood=scenario.likelihood, **QUICK)
    assert table.names == ("0: 1", "1: 1")
    noise = scenario.noise_scale**2
    for unit in (0, 1):
        columns = scenario.design[:, unit * scenario.row_dim : (unit + 1) * scenario.row_dim]
        covariance = noise * np.eye(len(columns)) + columns @ columns.T / (2 * float(coefficients[unit]))
        target = scenario.targets.ravel()
        exact = -0.5 * (
            target @ np.linalg.solve(covariance, target)
            + np.linalg.slogdet(covariance)[1]
            + len(target) * math.log(2 * math.pi)
        )
        assert float(table.log_evidence[unit]) == pytest.approx(exact, abs=1e-9)


HEAD = torch.tensor([[1.0, -0.7, 0.5, 1.3, 0.9]], dtype=torch.float64)


def logistic_problem():
    """30 binary targets; the logit is beta' x with beta = sum_u head_u row_u, so that every evidence is a plane integral."""
    rng = np.random.default_rng(7)
    inputs = torch.tensor(rng.normal(size=(30, 2)))
    targets = (torch.tensor(rng.random(30)) < (inputs @ torch.tensor([1.5, -0.8], dtype=torch.float64)).sigmoid()).double()
    head = nn.Linear(5, 1, bias=False, dtype=torch.float64)
    head.weight = nn.Parameter(HEAD.clone(), requires_grad=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 5, bias=False, dtype=torch.float64), head)
    return net, inputs, targets


def test_logistic_models_within_a_fifth_of_a_nat():
    net, inputs, targets = logistic_problem()
    architecture = Architecture.from_module(net, inputs[:2])
    prior = GuidedPrior(architecture, priors.Normal(strength=0.5))
    masks = [mask for mask in all_masks(5) if mask.any()][::3]
    models = [architecture.sub_architecture({"0": torch.tensor(mask)}) for mask in masks]
    table = compare_models(net, prior, (inputs, targets), models, likelihood=likelihoods.Bernoulli(), **QUICK)
    x, y = inputs.numpy(), targets.numpy()
    errors = []
    for mask, found in zip(masks, table.log_evidence.tolist(), strict=True):
        variance = float((HEAD.numpy()[0, mask] ** 2).sum())
        errors.append(found - exact_log_evidence(x, y, variance))
    assert max(map(abs, errors)) < 0.2
    assert max(map(abs, errors)) > 1e-4, "a logistic posterior is not normal: an error of 0 would mean that nothing is tested"


def exact_log_evidence(x: np.ndarray, y: np.ndarray, variance: float) -> float:
    """By cubature over beta ~ N(0, variance I)."""

    def density(b: float, a: float) -> float:
        logits = x @ np.array([a, b])
        log_prior = -(a * a + b * b) / (2 * variance) - math.log(2 * math.pi * variance)
        return math.exp(float(y @ logits - np.logaddexp(0, logits).sum()) + log_prior + 15.0)

    reach = min(8.0, 6 * variance**0.5)
    return math.log(dblquad(density, -reach, reach, -reach, reach, epsabs=1e-7, epsrel=1e-5)[0]) - 15.0


def test_kinks_are_told_of():
    net = CLASSES.net()
    prior = CLASSES.prior(net)
    half = torch.arange(12) < 6
    models = {"full": prior.architecture.full(), "half": prior.architecture.sub_architecture({"layers.0": half})}
    table = compare_models(net, prior, CLASSES.data(), models, **(QUICK | dict[str, Any](epochs=15)))
    assert all("kink" in text for text in table.approximations)
    assert bool(table.log_evidence.isfinite().all())
    assert table.log_bayes_factor_between("full", "half") == pytest.approx(float(table.log_evidence.diff()) * -1)


def test_what_cannot_be_compared():
    net = CLASSES.net()
    prior = CLASSES.prior(net)
    with pytest.raises(PosteriorError, match="no model"):
        compare_models(net, prior, CLASSES.data(), {})
    with pytest.raises(ArchitectureMismatchError, match="another architecture"):
        compare_models(net, prior, CLASSES.data(), [ROWS_CORRELATED.architecture.full()])
