"""What holds for every family: shapes, dtype, validation, P1's law of the penalty, entropy, KL, gradients."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import kl_divergence

from bayes_guided.distributions import GroupLaplace, GroupSqrtLaplace, RowLaplace, RowNormal, SparseGroupLaplace
from bayes_guided.exceptions import RowShapeError, StrengthError

from .families import ALL, HOMOGENEOUS
from .oracles import assert_mean, float64

every = pytest.mark.parametrize("family", ALL.values(), ids=ALL.keys())
homogeneous = pytest.mark.parametrize("family", HOMOGENEOUS.values(), ids=HOMOGENEOUS.keys())
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@every
@dtypes
def test_shapes_and_dtype(family, dtype):
    rows = family(torch.tensor([0.5, 1.0, 2.0], dtype=dtype), 4)
    assert rows.batch_shape == (3,)
    assert rows.event_shape == (4,)
    assert rows.dim == 4
    draws = rows.sample(torch.Size((5, 2)))
    assert draws.shape == (5, 2, 3, 4)
    assert draws.dtype == dtype
    assert torch.isfinite(draws).all()
    log_prob = rows.log_prob(draws)
    assert log_prob.shape == (5, 2, 3)
    assert log_prob.dtype == dtype
    assert rows.mean.shape == rows.variance.shape == rows.stddev.shape == (3, 4)
    assert rows.entropy().shape == (3,)
    assert {rows.mean.dtype, rows.variance.dtype, rows.entropy().dtype} == {dtype}


@every
def test_scalar_batch(family):
    rows = family(torch.tensor(1.5, dtype=torch.float64), 3)
    assert rows.sample().shape == (3,)
    assert rows.sample(torch.Size((2,))).shape == (2, 3)
    assert rows.log_prob(torch.ones(3, dtype=torch.float64)).shape == ()


@every
def test_expand(family):
    rates = float64(0.5, 2.0)
    rows = family(rates, 3)
    wide = rows.expand((4, 2))
    assert type(wide) is type(rows)
    assert wide.batch_shape == (4, 2)
    assert wide.event_shape == (3,)
    assert wide.sample(torch.Size((6,))).shape == (6, 4, 2, 3)
    value = torch.randn(4, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(wide.log_prob(value), family(rates.expand(4, 2), 3).log_prob(value), rtol=0, atol=0)
    torch.testing.assert_close(wide.entropy(), rows.entropy().expand(4, 2), rtol=0, atol=1e-12)
    with pytest.raises(RuntimeError):
        rows.expand((3,))


@every
def test_float32_agrees_with_float64(family):
    rates = float64(0.3, 1.0, 7.0)
    value = torch.randn(3, 100).double()
    exact = family(rates, 100).log_prob(value)
    single = family(rates.float(), 100).log_prob(value.float())
    torch.testing.assert_close(single.double(), exact, rtol=2e-6, atol=1e-4)


@every
@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_rates_must_be_positive_and_finite(family, bad):
    with pytest.raises(StrengthError, match="positive and finite"):
        family(float64(1.0, bad), 2)


@every
@pytest.mark.parametrize("dim", [0, -1, 2.0, True])
def test_dim_must_be_a_positive_integer(family, dim):
    with pytest.raises((RowShapeError, TypeError)):
        family(float64(1.0), dim)


def test_integer_rates_are_refused():
    with pytest.raises((StrengthError, TypeError)):
        GroupLaplace(torch.tensor([1, 2]), 2)


def test_rates_that_do_not_broadcast():
    with pytest.raises((RowShapeError, TypeError)):
        SparseGroupLaplace(torch.ones(2), torch.ones(3), 2)


@every
def test_values_of_another_length_or_nan_are_refused(family):
    rows = family(float64(1.0, 2.0), 3)
    with pytest.raises(ValueError, match="event"):
        rows.log_prob(torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="support"):
        rows.log_prob(torch.full((2, 3), math.nan, dtype=torch.float64))


@every
def test_validation_can_be_switched_off(family):
    rows = family(float64(1.0, -1.0), 3, validate_args=False)
    assert rows.batch_shape == (2,)


@homogeneous
@pytest.mark.parametrize("dim", [1, 2, 5, 64])
def test_penalty_of_a_random_row_is_gamma(family, dim):
    """P1: whatever the rate. Kolmogorov-Smirnov at a level of 1e-4."""
    rows = family(float64(0.3, 4.0), dim)
    penalty = rows.penalty(rows.sample(torch.Size((4000,)))).numpy()
    for column in penalty.T:
        assert stats.kstest(column, stats.gamma(dim / rows.degree).cdf).pvalue > 1e-4


@homogeneous
def test_log_prob_is_minus_penalty_minus_log_normalizer(family):
    rows = family(float64(0.3, 4.0), 5)
    value = torch.randn(7, 2, 5, dtype=torch.float64)
    torch.testing.assert_close(rows.log_prob(value), -rows.penalty(value) - rows.log_normalizer, rtol=0, atol=1e-12)


@homogeneous
def test_penalty_is_homogeneous(family):
    rows = family(float64(0.3, 4.0), 5)
    value = torch.randn(2, 5, dtype=torch.float64)
    torch.testing.assert_close(rows.penalty(3 * value), 3**rows.degree * rows.penalty(value), rtol=1e-12, atol=0)


@every
@pytest.mark.parametrize("dim", [1, 3, 37])
def test_entropy_is_the_mean_of_minus_log_prob(family, dim):
    rows = family(float64(0.5, 3.0), dim)
    assert_mean(-rows.log_prob(rows.sample(torch.Size((20000,)))), rows.entropy())


@homogeneous
@pytest.mark.parametrize("dim", [1, 3, 37])
def test_moments(family, dim):
    rows = family(float64(0.5, 3.0), dim)
    draws = rows.sample(torch.Size((20000,)))
    assert_mean(draws.mean(-1), 0.0)
    assert_mean(draws.square().mean(-1), rows.variance[:, 0])
    assert torch.equal(rows.mean, torch.zeros(2, dim, dtype=torch.float64))
    torch.testing.assert_close(rows.stddev, rows.variance.sqrt())


@homogeneous
@pytest.mark.parametrize("dim", [1, 3, 37])
def test_kl_is_the_mean_log_ratio(family, dim):
    p, q = family(float64(0.5, 3.0), dim), family(float64(0.8, 2.0), dim)
    draws = p.sample(torch.Size((20000,)))
    assert_mean(p.log_prob(draws) - q.log_prob(draws), kl_divergence(p, q))


@homogeneous
def test_kl_near_and_at_equality(family):
    rates = float64(0.5, 3.0)
    assert torch.equal(kl_divergence(family(rates, 7), family(rates, 7)), torch.zeros(2, dtype=torch.float64))
    with pytest.raises(RowShapeError):
        kl_divergence(family(rates, 7), family(rates, 8))


@every
@pytest.mark.parametrize("dim", [1, 4])
def test_gradients_in_value_and_rate(family, dim):
    value = torch.randn(3, 2, dim, dtype=torch.float64, requires_grad=True)
    rates = float64(0.5, 3.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda w, r: family(r, dim).log_prob(w), (value, rates))
    assert torch.autograd.gradcheck(lambda r: family(r, dim).entropy(), (rates,))


@homogeneous
def test_gradients_of_moments_and_kl(family):
    rates = float64(0.5, 3.0).requires_grad_()
    other = family(float64(0.8, 2.0), 4)
    assert torch.autograd.gradcheck(lambda r: family(r, 4).variance[:, 0], (rates,))
    assert torch.autograd.gradcheck(lambda r: kl_divergence(family(r, 4), other), (rates,))
    assert torch.autograd.gradcheck(lambda r: kl_divergence(other, family(r, 4)), (rates,))


@every
def test_second_derivatives_away_from_zero(family):
    value = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    rates = float64(0.5, 3.0).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda w, r: family(r, 3).log_prob(w), (value, rates))


@every
@dtypes
def test_zero_row_has_a_zero_gradient_and_disturbs_no_other(family, dtype):
    value = torch.tensor([[0.0, 0.0], [1.0, -2.0]], dtype=dtype, requires_grad=True)
    alone = torch.tensor([[1.0, -2.0]], dtype=dtype, requires_grad=True)
    family(torch.tensor([1.0, 2.0], dtype=dtype), 2).log_prob(value).sum().backward()
    family(torch.tensor([2.0], dtype=dtype), 2).log_prob(alone).sum().backward()
    assert value.grad is not None
    assert torch.equal(value.grad[0], torch.zeros(2, dtype=dtype))
    torch.testing.assert_close(value.grad[1:], alone.grad, rtol=1e-6, atol=0)
    zero = torch.zeros(2, 2, dtype=torch.float64)
    hessian = torch.func.hessian(lambda w: family(float64(1.0, 2.0), 2).log_prob(w).sum())(zero)
    assert torch.isfinite(hessian).all()


@every
@pytest.mark.parametrize("dim", [1, 5])
def test_reparameterised_gradient(family, dim):
    """Against a central difference of the sampler itself, at the same seed."""
    step = 1e-5

    def draw(rate):
        torch.manual_seed(7)
        return family(rate, dim).rsample(torch.Size((50,)))

    rate = float64(0.8, 2.5).requires_grad_()
    direction = torch.randn(50, 2, dim, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((draw(rate).tanh() * direction).sum(0).sum(-1).sum(), rate)
    with torch.no_grad():
        up, down = (draw(rate + sign * step).tanh() * direction for sign in (1, -1))
    difference = ((up - down) / (2 * step)).sum(0).sum(-1)
    torch.testing.assert_close(gradient, difference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", [GroupLaplace, GroupSqrtLaplace, RowLaplace, RowNormal])
def test_reparameterised_gradient_of_the_mean_penalty(family):
    """Under rate r the penalty at a frozen rate r0 has the mean (d/k) r0 / r (P1): slope -(d/k) / r0 at r = r0."""
    frozen = family(float64(0.5, 3.0), 6)
    rates = frozen.rate.expand(20000, 2).clone().requires_grad_()
    (slopes,) = torch.autograd.grad(frozen.penalty(family(rates, 6).rsample()).sum(), rates)
    assert_mean(slopes, -6 / frozen.degree / frozen.rate)


@every
def test_draws_follow_the_seed(family):
    rows = family(float64(0.5, 3.0), 3)
    first = (torch.manual_seed(3), rows.sample())[1]
    second = (torch.manual_seed(3), rows.sample())[1]
    assert torch.equal(first, second)
    assert np.isfinite(first.numpy()).all()


@every
@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_follows_the_device(family):
    rates = torch.tensor([0.5, 2.0], device="cuda")
    rows = family(rates, 5)
    draws = rows.rsample(torch.Size((3,)))
    assert draws.device.type == rows.entropy().device.type == rows.variance.device.type == "cuda"
    exact = family(rates.cpu().double(), 5).log_prob(draws.cpu().double())
    torch.testing.assert_close(rows.log_prob(draws).cpu().double(), exact, rtol=1e-5, atol=1e-4)
