"""Norms with a subgradient, uniform directions, the sphere's area."""

import math

import pytest
import torch

from bayes_guided.distributions.spherical import log_sphere_area, row_norm, uniform_directions

from .oracles import assert_mean


def test_norm_and_its_gradient():
    value = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]], dtype=torch.float64, requires_grad=True)
    norm = row_norm(value)
    assert norm.tolist() == [5.0, 0.0, 2.0]
    (gradient,) = torch.autograd.grad(norm.sum(), value, create_graph=True)
    assert gradient.flatten().tolist() == pytest.approx([0.6, 0.8, 0.0, 0.0, 0.0, -1.0])
    (second,) = torch.autograd.grad(gradient.sum(), value)
    assert torch.isfinite(second).all()


@pytest.mark.parametrize("dim", [1, 2, 37])
def test_directions(dim):
    draws = uniform_directions(torch.Size((5000, dim)), torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(draws.norm(dim=-1), torch.ones(5000, dtype=torch.float64))
    assert_mean(draws, torch.zeros(dim))
    if dim > 1:
        assert_mean(draws.square(), torch.full((dim,), 1 / dim))


@pytest.mark.parametrize(("dim", "area"), [(1, 2), (2, 2 * math.pi), (3, 4 * math.pi), (4, 2 * math.pi**2)])
def test_sphere_area(dim, area):
    assert log_sphere_area(dim) == pytest.approx(math.log(area), abs=1e-14)
