"""The Gamma hyperprior of the strength against quadrature."""

import math

import pytest
import torch
from scipy import stats
from scipy.integrate import quad

from bayes_guided.exceptions import StrengthError
from bayes_guided.priors import GammaStrength


@pytest.mark.parametrize(("degrees", "size"), [(4.0, 3.0), (12.5, 0.2), (2.0, 40.0)])
def test_collapsed_bound_and_posterior_are_those_of_quadrature(degrees, size):
    prior = GammaStrength(2.5, 0.7)

    def joint(strength: float) -> float:
        return strength**degrees * math.exp(-strength * size) * stats.gamma.pdf(strength, 2.5, scale=1 / 0.7)

    peak = (2.5 + degrees) / (0.7 + size)
    mass = quad(joint, 0, 60 * peak, points=[peak], epsabs=0, epsrel=1e-11, limit=400)[0]
    mean = quad(lambda x: x * joint(x), 0, 60 * peak, points=[peak], epsabs=0, epsrel=1e-11, limit=400)[0] / mass
    found = float(prior.collapsed(degrees, torch.tensor(size, dtype=torch.float64)))
    assert found == pytest.approx(-math.log(mass), rel=1e-9, abs=1e-9)
    assert prior.posterior(degrees, size).mean == pytest.approx(mean, rel=1e-8)


def test_the_slope_in_the_size_is_the_expected_strength():
    prior, size = GammaStrength(2.0, 1.0), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    prior.collapsed(5.0, size).backward()
    assert size.grad is not None
    assert float(size.grad) == pytest.approx(prior.posterior(5.0, 3.0).mean, rel=1e-12)


@pytest.mark.parametrize(("shape", "rate"), [(0.0, 1.0), (1.0, -1.0), (math.inf, 1.0), (1.0, math.nan)])
def test_improper_hyperpriors_are_refused(shape, rate):
    with pytest.raises(StrengthError):
        GammaStrength(shape, rate)
