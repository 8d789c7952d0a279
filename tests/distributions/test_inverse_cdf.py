"""Inversion of a distribution function on nodes, against SciPy's quantiles and their derivative in a parameter."""

import pytest
import torch
from scipy import stats

from bayes_guided.distributions.inverse_cdf import inverse_cdf
from bayes_guided.distributions.quadrature import even_nodes

from .oracles import float64

FRACTIONS = float64(1e-6, 0.01, 0.3, 0.5, 0.9, 0.999, 1 - 1e-6)
NODES = even_nodes(float64(-12.0), float64(12.0))


def normal_quantiles(location: torch.Tensor) -> torch.Tensor:
    offset = NODES - location[:, None]
    return inverse_cdf(NODES, -0.5 * offset.square(), -offset, FRACTIONS[None])


def test_quantiles_of_the_normal():
    exact = stats.norm(0.3).ppf(FRACTIONS.numpy())
    assert normal_quantiles(float64(0.3))[0].numpy() == pytest.approx(exact, abs=2e-5)


def test_fractions_reached():
    reached = stats.norm(0.3).cdf(normal_quantiles(float64(0.3))[0].numpy())
    assert reached == pytest.approx(FRACTIONS.numpy(), abs=3e-7)


def test_a_shift_moves_every_quantile_by_as_much():
    location = float64(0.3).requires_grad_()
    quantiles = normal_quantiles(location)[0]
    slopes = [torch.autograd.grad(q, location, retain_graph=True)[0].item() for q in quantiles]
    assert slopes[1:-1] == pytest.approx([1.0] * 5, abs=5e-5)
    assert [slopes[0], slopes[-1]] == pytest.approx([1.0, 1.0], abs=1e-3)
