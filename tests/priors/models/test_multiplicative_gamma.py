"""The multiplicative gamma process: moments, density, survival by incomplete gamma, and its region (P12)."""

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad, quad
from scipy.special import gammainc
from scipy.stats import gamma

from bayes_guided.exceptions import ShrinkageError
from bayes_guided.priors.models.multiplicative_gamma import MultiplicativeGamma
from tests.priors.every_mask import mlp_architecture


@pytest.fixture
def process():
    return MultiplicativeGamma(mlp_architecture(4), 2.5, 3.2)


@pytest.mark.parametrize("threshold", [1e-3, 0.05, 0.4, 3.0, 50.0])
def test_survival_of_the_first_two_units(process, threshold):
    survival = process.unit_survival(threshold)["0"]
    assert float(survival[0]) == pytest.approx(gammainc(2.5, 1 / threshold), rel=1e-10, abs=1e-13)
    second = quad(lambda d: gamma.pdf(d, 3.2) * gammainc(2.5, 1 / (threshold * d)), 0, 60, epsabs=1e-13, limit=400)[0]
    assert float(survival[1]) == pytest.approx(second, rel=1e-8, abs=1e-12)


def test_survival_of_later_units_against_draws(process):
    draws = process.sample(200_000, torch.Generator().manual_seed(0))["0"]
    survival = process.unit_survival(0.1)["0"]
    frequency = (1 / draws > 0.1).double().mean(0)
    assert ((frequency - survival).abs() < 4 * (survival * (1 - survival) / 200_000).sqrt()).all()


def test_moments_against_draws(process):
    draws = process.sample(200_000, torch.Generator().manual_seed(1))["0"]
    logs = draws.log()
    error = logs.mean(0) - process.expected_log_precision()["0"]
    assert (error.abs() < 4 * logs.std(0) / 200_000**0.5).all()
    expected = [quad(lambda t: gamma.pdf(t, 2.5) / t, 0, np.inf)[0], quad(lambda t: gamma.pdf(t, 3.2) / t, 0, np.inf)[0]]
    found = process.expected_variance()["0"]
    assert float(found[1]) == pytest.approx(expected[0] * expected[1], rel=1e-7)
    assert float(found[3]) == pytest.approx(expected[0] * expected[1] ** 3, rel=1e-7)


def test_density_integrates_to_one():
    process = MultiplicativeGamma(mlp_architecture(2), 2.5, 3.2)

    def density(second, first):
        return float(process.log_prob({"0": torch.tensor([first, second], dtype=torch.float64)}).exp())

    total = dblquad(density, 1e-6, 14, 1e-9, lambda first: 16 * first, epsabs=1e-4, epsrel=1e-4)[0]
    assert total == pytest.approx(1.0, abs=2e-3)


def test_the_region_is_enforced():
    architecture = mlp_architecture(3)
    for a1, a2 in ((2.0, 2.0), (2.0, 1.7), (1.0, 3.0), (0.0, 3.0), (2.0, float("inf"))):
        with pytest.raises(ShrinkageError):
            MultiplicativeGamma(architecture, a1, a2)
    with pytest.raises(ShrinkageError, match=r"1\.4616"):
        MultiplicativeGamma(architecture, 2.0, 1.46, increasing="log_precision")
    with pytest.raises(ShrinkageError, match="unknown"):
        MultiplicativeGamma(architecture, 2.0, 3.0, increasing="sometimes")
    both = MultiplicativeGamma(architecture, 2.0, 1.7, increasing="log_precision")
    # Here mean log precision and mean variance rise together.
    assert (both.expected_log_precision()["0"].diff() > 0).all()
    assert (both.expected_variance()["0"].diff() > 0).all()
    with pytest.raises(ShrinkageError, match="exist"):
        MultiplicativeGamma(architecture, 0.5, 3.0, increasing="log_precision").expected_variance()
    with pytest.raises(ShrinkageError, match="threshold"):
        both.unit_survival(0.0)
