"""The margin of the MAP: by solving the convex problem again on both sides of it."""

import math

import numpy as np
import pytest
import torch

from bayes_guided.analysis.margin import critical_rates, removal_margins
from bayes_guided.exceptions import PosteriorError, StrengthError
from theory.group_lasso import solve
from theory.survival_numbers import critical_rate

UNITS, DIM = 4, 3


def problem():
    rng = np.random.default_rng(17)
    design = rng.normal(size=(50, UNITS * DIM)) + 0.5 * rng.normal(size=(50, 1))
    weights = np.repeat([0.5, 0.0, 0.2, 0.0], DIM)
    return np.asarray(design.T @ design), design.T @ (design @ weights + rng.normal(size=50))


def gradients_without_each(gram, linear, rates):
    found = []
    for unit in range(UNITS):
        removed = np.repeat(np.arange(UNITS) == unit, DIM)
        others = solve(gram[np.ix_(~removed, ~removed)], linear[~removed], np.delete(rates, unit), DIM)
        found.append(gram[np.ix_(removed, ~removed)] @ others.ravel() - linear[removed])
    return torch.tensor(np.stack(found))


def test_group_lasso():
    gram, linear = problem()
    rates = np.array([6.0, 4.0, 9.0, 30.0])
    gradients = gradients_without_each(gram, linear, rates)
    exact = [critical_rate(gram, linear, rates, DIM, unit) for unit in range(UNITS)]
    torch.testing.assert_close(critical_rates(gradients), torch.tensor(exact, dtype=torch.float64))
    margins = removal_margins(gradients, norm_rates=torch.tensor(rates))
    alive = np.linalg.norm(solve(gram, linear, rates, DIM), axis=1) > 0
    assert alive.any()
    assert not alive.all()
    assert (margins > 1).tolist() == alive.tolist()
    for unit in range(UNITS):
        for factor, stays in ((0.999, True), (1.001, False)):
            moved = rates.copy()
            moved[unit] *= float(margins[unit]) * factor
            assert (np.linalg.norm(solve(gram, linear, moved, DIM)[unit]) > 0) == stays


def test_laplace_is_removed_by_its_largest_gradient():
    gradients = torch.tensor([[3.0, -7.0, 2.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    margins = removal_margins(gradients, l1_rates=torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(margins, torch.tensor([3.5, 0.0], dtype=torch.float64))


def test_sparse_group_optimality():
    """At the critical factor 0 is just optimal: minus the gradient is k (l1 s + norm v) with |s_j| <= 1 and ||v|| = 1."""
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(50, 7, generator=generator, dtype=torch.float64) * 3
    norm, l1 = (torch.rand(50, generator=generator, dtype=torch.float64) + 0.05 for _ in range(2))
    k = removal_margins(gradients, norm, l1)
    sign_part = torch.minimum(gradients.abs(), (k * l1)[:, None]) * gradients.sign()
    torch.testing.assert_close((gradients - sign_part).norm(dim=1), k * norm)
    weight = torch.tensor([1e-4], dtype=torch.float64)

    def slope(factor):
        """Directional derivative of the objective at 0 along the best direction."""
        rest = (gradients.abs() - factor[:, None] * l1[:, None]).clamp(min=0)
        direction = -gradients.sign() * rest / rest.norm(dim=1, keepdim=True)
        step = weight * direction
        return (gradients * step).sum(dim=1) + factor * (norm * step.norm(dim=1) + l1 * step.abs().sum(dim=1))

    assert bool((slope(0.999 * k) < 0).all())
    assert bool((slope(1.001 * k) > 0).all())


def test_protected_units_have_an_infinite_margin():
    gradients = torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
    margins = removal_margins(gradients, norm_rates=torch.tensor([0.0, 0.0, 5.0]), l1_rates=torch.zeros(3))
    assert margins.tolist() == [math.inf, math.inf, 1.0]


def test_refusals():
    gradients = torch.ones(2, 3)
    with pytest.raises(StrengthError, match="norm_rates, l1_rates"):
        removal_margins(gradients)
    with pytest.raises(StrengthError, match="negative"):
        removal_margins(gradients, norm_rates=torch.tensor([1.0, -1.0]))
    with pytest.raises(PosteriorError, match="2 units need 2 rates"):
        removal_margins(gradients, norm_rates=torch.ones(3))
    with pytest.raises(PosteriorError, match="NaN"):
        critical_rates(gradients * torch.nan)
