import math

import pytest
import torch
from pyro import distributions as dist

from bayes_guided.distributions import GroupLaplace, RowNormal
from bayes_guided.distributions.row_parts import RowParts
from bayes_guided.exceptions import RowShapeError

from .oracles import assert_mean, float64

COLUMNS = torch.tensor([False, True, True, False, True])
RATES, RIDGE = float64(0.5, 1.0, 2.0), float64(0.3, 0.3, 0.3)


def parts() -> RowParts:
    return RowParts(COLUMNS, GroupLaplace(RATES, 3), RowNormal(RIDGE, 2))


def test_log_prob_and_entropy_are_sums_over_the_columns():
    rows = torch.randn(4, 3, 5, dtype=torch.float64)
    found = parts().log_prob(rows)
    inside = GroupLaplace(RATES, 3).log_prob(torch.stack([rows[..., 1], rows[..., 2], rows[..., 4]], dim=-1))
    normal = dist.Normal(0.0, math.sqrt(0.5 / 0.3))
    outside = normal.log_prob(rows[..., 0]) + normal.log_prob(rows[..., 3])
    torch.testing.assert_close(found, inside + outside)
    expected = GroupLaplace(RATES, 3).entropy() + 2 * normal.entropy()
    torch.testing.assert_close(parts().entropy(), expected.double())


def test_samples_lie_in_their_columns():
    torch.manual_seed(0)
    draws = parts().sample(torch.Size((20_000,)))
    assert draws.shape == (20_000, 3, 5)
    assert_mean(draws, parts().mean)
    assert_mean(draws.square(), parts().variance)
    assert parts().variance[:, [0, 3]].unique().numel() == 1
    torch.testing.assert_close(parts().variance[:, [1, 2, 4]], GroupLaplace(RATES, 3).variance)


def test_samples_are_reparameterised():
    rate = RATES.clone().requires_grad_()
    RowParts(COLUMNS, GroupLaplace(rate, 3), RowNormal(RIDGE, 2)).rsample().square().sum().backward()
    assert rate.grad is not None
    assert bool((rate.grad < 0).all())


def test_expand():
    wide = parts().expand((4, 3))
    assert wide.batch_shape == (4, 3)
    assert wide.event_shape == (5,)
    value = torch.randn(4, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(wide.log_prob(value), parts().log_prob(value))
    assert wide.sample(torch.Size((2,))).shape == (2, 4, 3, 5)


def test_a_mixture_with_other_row_densities_keeps_a_support_that_pyro_can_transform():
    mixture = dist.MaskedMixture(torch.tensor([True, False, False]), parts(), RowNormal(RIDGE, 5))
    assert mixture.support is RowNormal(RIDGE, 5).support


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="support"):
        parts().log_prob(torch.full((3, 5), math.nan, dtype=torch.float64))


def test_parts_that_do_not_fill_the_columns_are_refused():
    with pytest.raises(RowShapeError, match=r"3 of 5 columns.*\(2,\) and \(2,\)"):
        RowParts(COLUMNS, GroupLaplace(RATES, 2), RowNormal(RIDGE, 2))
    with pytest.raises(RowShapeError, match=r"3 of 5 columns.*\(3,\) and \(3,\)"):
        RowParts(COLUMNS, GroupLaplace(RATES, 3), RowNormal(RIDGE, 3))
    with pytest.raises(RowShapeError, match=r"batch shapes differ: \(3,\), \(2,\)"):
        RowParts(COLUMNS, GroupLaplace(RATES, 3), RowNormal(RIDGE[:2], 2))
