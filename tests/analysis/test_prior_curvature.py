"""The Hessian of every penalty against automatic differentiation, and restricted densities by their own normaliser."""

import pytest
import torch

from bayes_guided.analysis.prior_curvature import penalty_curvature, restricted_log_normalizer
from bayes_guided.distributions import (
    GroupHorseshoe,
    GroupLaplace,
    GroupSqrtLaplace,
    RowLaplace,
    RowNormal,
    SparseGroupLaplace,
)
from bayes_guided.exceptions import NoMAPError

RATES = torch.tensor([0.5, 2.0, 7.0], dtype=torch.float64)


def density_of(family: str, dim: int):
    if family == "sparse":
        return SparseGroupLaplace(RATES, 0.7 * dim**0.5 * RATES, dim)
    families = {"group": GroupLaplace, "sqrt": GroupSqrtLaplace, "l1": RowLaplace, "normal": RowNormal}
    return families[family](RATES, dim)


@pytest.mark.parametrize("family", ["group", "sqrt", "sparse", "l1", "normal"])
def test_hessian(family: str):
    rows = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    density = density_of(family, 4)
    found = penalty_curvature(density, rows)
    hessian = torch.func.hessian(lambda w: density.penalty(w).sum())(rows)
    unit = rows / rows.norm(dim=1, keepdim=True)
    for u in range(3):
        expected = found.level[u] * torch.eye(4, dtype=torch.float64) - found.loss[u] * torch.outer(unit[u], unit[u])
        torch.testing.assert_close(hessian[u, :, u], expected)
    assert bool(found.smooth.all())


def test_kinks():
    rows = torch.tensor([[0.0, 0.0], [0.0, 1.0], [2.0, 1.0]], dtype=torch.float64)
    row, weight, none = [[False] * 2, [True] * 2, [True] * 2], [[False] * 2, [False, True], [True] * 2], [[True] * 2] * 3
    for family, smooth in (("group", row), ("sqrt", row), ("sparse", weight), ("l1", weight), ("normal", none)):
        found = penalty_curvature(density_of(family, 2), rows)
        assert found.smooth.tolist() == smooth, family
        assert bool(found.level.isfinite().all())
    with pytest.raises(NoMAPError, match="P4"):
        penalty_curvature(GroupHorseshoe(RATES, 2), rows)


@pytest.mark.parametrize("family", ["group", "sparse", "l1", "normal"])
def test_restricted_densities(family: str):
    """By a grid over the plane: exp(-penalty) of rows (a, b, 0, 0, 0)."""
    units, density = torch.tensor([2, 0]), density_of(family, 5)
    line = torch.arange(-30, 30, 0.03, dtype=torch.float64) + 0.015
    plane = torch.zeros(len(line), 1, 5, dtype=torch.float64)
    total = torch.zeros(3, dtype=torch.float64)
    for a in line:
        plane[:, 0, 0], plane[:, 0, 1] = a, line
        total += (-density.penalty(plane.expand(-1, 3, -1))).exp().sum(0) * 0.03**2
    found = restricted_log_normalizer(density, units, 2)
    torch.testing.assert_close(found, total.log()[units], rtol=4e-3, atol=4e-3)
    torch.testing.assert_close(restricted_log_normalizer(density, units, 5), density._log_normalizer()[units])
    assert restricted_log_normalizer(density, units, 0).tolist() == [0.0, 0.0]
