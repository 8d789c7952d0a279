"""What the survival of every family shares: limits, broadcasting, gradients, refusals."""

import math

import pytest
import torch

from bayes_guided.distributions import GroupHorseshoe, GroupLaplace, GroupSqrtLaplace, RowLaplace, RowNormal
from bayes_guided.exceptions import StrengthError

from .oracles import float64

with_survival = pytest.mark.parametrize("family", [GroupLaplace, GroupSqrtLaplace, RowLaplace, RowNormal, GroupHorseshoe])


@with_survival
def test_limits_and_shapes(family):
    rows = family(float64(0.5, 2.0), 3)
    assert torch.equal(rows.norm_survival(math.inf), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(rows.norm_survival(0.0), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)
    survival = rows.norm_survival(torch.linspace(0.1, 3, 7)[:, None])
    assert survival.shape == (7, 2)
    assert (survival.diff(dim=0) < 0).all()
    assert (survival[:, 0] > survival[:, 1]).all()
    assert family(torch.tensor([0.5]), 3).norm_survival(1.0).dtype == torch.float32


@with_survival
def test_gradient_in_rate_and_threshold(family):
    rates, tau = float64(0.5, 2.0).requires_grad_(), float64(1.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda r, t: family(r, 3).norm_survival(t), (rates, tau))


@with_survival
@pytest.mark.parametrize("threshold", [-0.1, math.nan])
def test_thresholds_below_zero_are_refused(family, threshold):
    with pytest.raises(StrengthError, match="at least 0"):
        family(float64(1.0), 3).norm_survival(threshold)
