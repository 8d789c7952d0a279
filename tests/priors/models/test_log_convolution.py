"""Log convolutions against one logarithm per product, with relative accuracy in every term."""

import numpy as np
import pytest

from bayes_guided.priors.models.log_convolution import log_convolve, log_sum_law


def direct(left, right):
    result = np.full(len(left) + len(right) - 1, -np.inf)
    for i, value in enumerate(left):
        for j, other in enumerate(right):
            result[i + j] = np.logaddexp(result[i + j], value + other)
    return result


def agree(left, right):
    found, wanted = log_convolve(left, right), direct(left, right)
    assert (np.isfinite(found) == np.isfinite(wanted)).all()
    finite = np.isfinite(wanted)
    scale = np.maximum(1.0, np.abs(wanted[finite]) * 1e-2)
    assert (np.abs(found[finite] - wanted[finite]) < 1e-12 * scale).all()


@pytest.mark.parametrize("curvature", [0.0, 1e-3, 0.5, 40.0])
def test_concave(curvature):
    k, j = np.arange(150.0), np.arange(90.0)
    agree(-curvature * k**2 + 3.0 * k, -2 * curvature * j**2 - 7.0 * j)


def test_concave_with_a_spike_spans_thousands_of_nats():
    k = np.arange(200.0)
    spiked = -0.2 * k**2
    spiked[-1] = 5.0
    agree(spiked, -0.1 * k**2)
    agree(spiked, spiked)


def test_convex():
    k = np.arange(80.0)
    agree(-0.3 * k - 0.9 * np.log1p(k), -3.0 * k - 0.5 * np.log1p(k))


def test_rough_and_wild():
    rng = np.random.default_rng(0)
    agree(rng.normal(size=70), rng.normal(size=120))
    agree(900 * rng.normal(size=70), 900 * rng.normal(size=80))


def test_zeros():
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=40), rng.normal(size=30)
    left[[0, 1, 7, 8, 39]], right[[3, 29]] = -np.inf, -np.inf
    agree(left, right)
    agree(np.full(3, -np.inf), right)
    agree(1000 * left, 1000 * right)


def test_sum_of_many_laws():
    rng = np.random.default_rng(2)
    laws = [np.log(rng.dirichlet(np.ones(n))) for n in (4, 9, 2, 6)]
    wanted = np.zeros(1)
    for law in laws:
        wanted = direct(wanted, law)
    np.testing.assert_allclose(log_sum_law(laws), wanted, rtol=1e-12, atol=1e-12)
