"""Laplace's evidence: exact for linear models, near quadrature for a logistic one, and tables of models."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad

from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian, FullGaussian
from bayes_guided.analysis.laplace import LaplaceEvidence, evidence_table, laplace_evidence, laplace_evidence_of
from bayes_guided.exceptions import PosteriorError
from theory import linear_gaussian
from theory.enumeration import all_masks


def test_linear_models_exactly():
    rng = np.random.default_rng(1)
    design, noise, variance = rng.normal(size=(20, 4)), 0.3, np.array([0.5, 1.0, 2.0, 4.0])
    target = design @ np.array([1.0, 0.0, -0.5, 0.2]) + noise**0.5 * rng.normal(size=20)
    exact = linear_gaussian.log_evidences(design, target, [[0], [1], [2], [3]], variance, noise)
    for mask, evidence in zip(all_masks(4), exact, strict=True):
        mean, covariance = linear_gaussian.posterior(design[:, mask], target, variance[mask], noise)
        residual = target - design[:, mask] @ mean
        likelihood = -0.5 * residual @ residual / noise - 10 * math.log(2 * math.pi * noise)
        prior = float(np.sum(-0.5 * mean**2 / variance[mask] - 0.5 * np.log(2 * np.pi * variance[mask])))
        posterior = FullGaussian.from_covariance(torch.tensor(mean), torch.tensor(covariance))
        found = laplace_evidence(float(likelihood), prior, posterior)
        assert found.log_evidence == pytest.approx(float(evidence), abs=1e-10)
        assert found.fit == pytest.approx(float(likelihood))
        assert found.log_occam <= 0
        assert found.num_weights == mask.sum()


def test_logistic_regression_by_quadrature():
    rng = np.random.default_rng(2)
    inputs = torch.tensor(rng.normal(size=(30, 2)))
    targets = torch.tensor(rng.random(30) < 0.5).double()
    weights = torch.zeros(2, dtype=torch.float64)

    def log_likelihood(w):
        return -torch.nn.functional.binary_cross_entropy_with_logits(inputs @ w, targets, reduction="sum")

    def log_joint(w):
        return log_likelihood(w) - 0.5 * w @ w - math.log(2 * math.pi)

    for _ in range(20):
        gradient, hessian = torch.func.grad(log_joint)(weights), torch.func.hessian(log_joint)(weights)
        weights = weights - torch.linalg.solve(hessian, gradient)
    peak = float(log_joint(weights))
    x, y = inputs.numpy(), targets.numpy()

    def density(b, a):
        logits = x @ np.array([a, b])
        return math.exp(float(y @ logits - np.logaddexp(0, logits).sum()) - (a * a + b * b) / 2 - math.log(2 * math.pi) - peak)

    exact = math.log(dblquad(density, -6, 6, -6, 6, epsabs=1e-9, epsrel=1e-7)[0]) + peak
    posterior = FullGaussian.from_precision(weights, -torch.func.hessian(log_joint)(weights))
    found = laplace_evidence(float(log_likelihood(weights)), peak - float(log_likelihood(weights)), posterior)
    assert found.log_evidence == pytest.approx(exact, abs=0.05)


def test_table():
    models = {
        "wide": laplace_evidence_of(-10.0, -5.0, -3.0, 2, "full covariance"),
        "narrow": LaplaceEvidence(-12.0, -1.0, 1, "full covariance"),
    }
    wide = -15.0 + math.log(2 * math.pi) - 1.5
    table = evidence_table(models)
    assert table.names == ("wide", "narrow")
    assert table.log_evidence.tolist() == pytest.approx([wide, -13.0])
    assert table.log_bayes_factor.tolist() == pytest.approx([wide + 13.0, 0.0])
    assert table.log_bayes_factor_between("narrow", "wide") == pytest.approx(-13.0 - wide)
    assert (table.fit + table.log_occam).tolist() == table.log_evidence.tolist()
    odds = table.probability[0] / table.probability[1]
    assert float(odds.log()) == pytest.approx(wide + 13.0)
    tilted = evidence_table(models, {"narrow": 0.0, "wide": 2.0}).probability
    assert float((tilted[0] / tilted[1]).log()) == pytest.approx(wide + 15.0)
    assert float(tilted.sum()) == pytest.approx(1.0)
    assert table.approximations == ("full covariance", "full covariance")


def test_a_model_without_weights():
    posterior = DiagonalGaussian(torch.zeros(0), torch.zeros(0))
    assert laplace_evidence(-3.0, 0.0, posterior).log_evidence == -3.0


def test_refusals():
    with pytest.raises(PosteriorError, match="no evidence"):
        laplace_evidence_of(-1.0, -math.inf, 0.0, 1, "mean field")
    with pytest.raises(PosteriorError, match="no model to compare"):
        evidence_table({})
    model = LaplaceEvidence(-1.0, -1.0, 1, "mean field")
    with pytest.raises(PosteriorError, match="the prior names"):
        evidence_table({"a": model}, {"b": 0.0})
    with pytest.raises(PosteriorError, match='no model "c"'):
        evidence_table({"a": model}).log_bayes_factor_between("a", "c")
