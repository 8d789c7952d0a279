"""The trapezoid rule on Gamma integrals, whose value is known for every width of the peak."""

import math

import pytest
import torch
from scipy import stats

from bayes_guided.distributions import quadrature

from .oracles import float64

CONCENTRATIONS = (0.5, 1.0, 18.5, 1000.0, 1e6)


@pytest.mark.parametrize("a", CONCENTRATIONS)
def test_log_integral_is_the_log_gamma_function(a):
    mass = float64(a)
    nodes = quadrature.even_nodes(mass.log() - quadrature.left_reach(mass), mass.log() + quadrature.right_reach(mass))
    value = quadrature.log_integral(a * nodes - nodes.exp(), nodes)
    assert float(value[0]) == pytest.approx(math.lgamma(a), rel=1e-13, abs=1e-12)


@pytest.mark.parametrize("a", CONCENTRATIONS)
def test_reaches_hold_the_promised_fall_and_little_more(a):
    mass = float64(a)
    left, right = quadrature.left_reach(mass), quadrature.right_reach(mass)
    fall_left = a * (left - 1 + (-left).exp())
    fall_right = a * (torch.expm1(right) - right)
    for fall in (fall_left, fall_right):
        assert quadrature.NATS * (1 - 1e-6) <= float(fall) <= 6 * quadrature.NATS


@pytest.mark.parametrize("a", CONCENTRATIONS)
def test_gamma_weights(a):
    nodes, weights = quadrature.log_gamma_nodes(a, torch.zeros(1))
    assert float(weights.sum()) == pytest.approx(1, abs=1e-9)
    assert float((weights * nodes.exp()).sum()) == pytest.approx(a, rel=1e-9)
    assert float((weights * nodes).sum()) == pytest.approx(stats.loggamma(a).mean(), rel=1e-8, abs=1e-9)
