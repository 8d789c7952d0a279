"""Evidence of sub-architectures by refitting: exact in linear models, near quadrature in logistic ones."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bayes_guided import GuidedPrior, compare_models, guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ArchitectureMismatchError, PosteriorError
from tests.infer.problems import CLASSES
from tests.scenarios import CORRELATED, ROWS_CORRELATED
from theory.enumeration import all_masks

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


def logistic_regression() -> tuple[nn.Module, Architecture, torch.Tensor, torch.Tensor]:
    """P19's case: five gated features, 40 binary targets."""
    rng = np.random.default_rng(7)
    inputs = torch.tensor(rng.normal(size=(40, 5)) + 0.6 * rng.normal(size=(40, 1)))
    logits = inputs @ torch.tensor([1.5, 0.0, -1.0, 0.0, 0.4], dtype=torch.float64)
    targets = (torch.tensor(rng.random(40)) < logits.sigmoid()).double()
    head = nn.Linear(5, 1, bias=False, dtype=torch.float64)
    head.weight = nn.Parameter(torch.ones(1, 5, dtype=torch.float64), requires_grad=False)
    net, architecture = Architecture.with_gates(head, inputs[:2], inputs=True, signed=True)
    return net.double(), architecture, inputs, targets


def test_logistic_models_within_a_fifth_of_a_nat():
    """All 32 models against importance sampling with 20,000 draws each, whose standard error is below 0.02 nats."""
    net, architecture, inputs, targets = logistic_regression()
    prior = GuidedPrior(architecture, priors.Normal(strength=0.5))
    masks = [torch.tensor(mask) for mask in all_masks(5)]
    models = [architecture.sub_architecture({"inputs": mask}, allow_empty=True) for mask in masks]
    table = compare_models(net, prior, (inputs, targets), models, likelihood=likelihoods.Bernoulli(), **QUICK)
    errors = []
    for mask, found in zip(masks, table.log_evidence.tolist(), strict=True):
        exact, standard_error = sampled_log_evidence(inputs[:, mask], targets)
        assert standard_error < 0.02
        errors.append(abs(found - exact))
    assert max(errors) < 0.2
    assert max(errors) > 0.02, "a logistic posterior is not normal: no error would mean that nothing is tested"


def sampled_log_evidence(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """log p(D) with w ~ N(0, I), and its standard error; the proposal is a t law of 5 degrees about the mode."""
    size, draws = inputs.shape[1], 20_000
    if size == 0:
        return -len(targets) * math.log(2), 0.0

    def log_joint(w: torch.Tensor) -> torch.Tensor:
        logits = w @ inputs.T
        density = -0.5 * (w.square().sum(-1) + size * math.log(2 * math.pi))
        return (targets * logits - nn.functional.softplus(logits)).sum(-1) + density

    mode = torch.zeros(size, dtype=torch.float64)
    hessian = -torch.eye(size, dtype=torch.float64)
    for _ in range(8):
        p = (inputs @ mode).sigmoid()
        hessian = -(inputs.T * (p * (1 - p))) @ inputs - torch.eye(size, dtype=torch.float64)
        mode = mode - torch.linalg.solve(hessian, inputs.T @ (targets - p) - mode)
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(draws, size, dtype=torch.float64, generator=generator)
    chi_square = torch.randn(draws, 5, dtype=torch.float64, generator=generator).square().sum(1)
    root = torch.linalg.cholesky(torch.linalg.inv(-hessian))
    z = normal * (5 / chi_square).sqrt()[:, None]
    log_proposal = (
        math.lgamma((5 + size) / 2)
        - math.lgamma(2.5)
        - size / 2 * math.log(5 * math.pi)
        - (5 + size) / 2 * torch.log1p(z.square().sum(1) / 5)
        - root.diagonal().log().sum()
    )
    weights = log_joint(mode + z @ root.T) - log_proposal
    shifted = (weights - weights.max()).exp()
    error = float(shifted.std() / shifted.mean() / math.sqrt(draws))
    return float(shifted.mean().log() + weights.max()), error


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
