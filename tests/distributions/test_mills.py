"""The normal tail against 40-digit quadrature, and draws against the law they come from."""

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats

from bayes_guided.distributions import mills

from .oracles import float64

TILTS = (0.0, 1e-8, 0.1, 1.0, 3.99, 4.01, 20.0, 1e3, 1e6)


def moment(n: int, a: float):
    unit = 1 / (1 + mpmath.mpf(a))
    return mpmath.quad(lambda y: y**n * mpmath.exp(-y * y / 2 - a * y), [0, unit, 5 * unit, 20 * unit, 60 * unit])


@pytest.mark.parametrize("a", TILTS)
def test_mass_and_moments(a):
    with mpmath.workdps(40):
        mass, first, second = (moment(n, a) for n in range(3))
        exact = [float(mpmath.log(mass)), float(first / mass), float(second / mass)]
    ours = [float(f(float64(a))[0]) for f in (mills.log_mass, mills.mean, mills.second_moment)]
    assert ours == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("a", [0.3, 3.999, 5.0, 50.0])
def test_derivatives(a):
    tilt = float64(a).requires_grad_()
    for function in (mills.log_mass, mills.mean, mills.second_moment):
        assert torch.autograd.gradcheck(function, (tilt,), eps=1e-5)
    assert torch.autograd.gradgradcheck(mills.log_mass, (tilt,), eps=1e-5)


def test_relative_derivative_far_out():
    """torch's own derivative of erfcx has lost every digit here; the true one is -1/a."""
    tilt = float64(1e9).requires_grad_()
    (slope,) = torch.autograd.grad(mills.log_mass(tilt).sum(), tilt)
    assert float(slope * 1e9) == pytest.approx(-1, rel=1e-12)


def test_works_under_functional_transforms():
    tilts = float64(0.5, 6.0)
    slopes = torch.func.vmap(torch.func.grad(mills.log_mass))(tilts)
    torch.testing.assert_close(slopes, -mills.mean(tilts))


def test_rows_that_share_a_tilt_and_many_draws_at_once():
    tilts = float64(0.0, 0.7, 30.0)[:, None]
    energy = torch.empty((4, 3, 9000), dtype=torch.float64).exponential_()
    found = mills.draw(tilts, energy)
    one_by_one = [mills.draw(tilts[i].expand(9000), energy[k, i]) for k in range(4) for i in range(3)]
    torch.testing.assert_close(found, torch.stack(one_by_one).reshape(4, 3, 9000), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("a", [0.0, 0.2, 1.0, 3.0, 40.0, 1e5])
def test_draw_inverts_the_tail(a):
    energy = float64(1e-6, 1e-2, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0, 200.0, 700.0)
    y = mills.draw(torch.full_like(energy, a), energy)
    with mpmath.workdps(40):
        start = mpmath.erfc(mpmath.mpf(a) / mpmath.sqrt(2)) if a < 1e3 else None
        for value, wanted in zip(y.tolist(), energy.tolist(), strict=True):
            if start is None:
                exact = wanted / a
                assert value == pytest.approx(exact, rel=1e-6)
            else:
                tail = mpmath.erfc((mpmath.mpf(a) + mpmath.mpf(value)) / mpmath.sqrt(2)) / start
                assert float(-mpmath.log(tail)) == pytest.approx(wanted, rel=1e-9)


def test_draws_are_truncated_normal():
    a = 1.3
    energy = torch.empty(5000, dtype=torch.float64).exponential_()
    draws = mills.draw(torch.full_like(energy, a), energy).numpy()
    assert stats.kstest(draws, stats.truncnorm(a, np.inf, loc=-a).cdf).pvalue > 1e-4


@pytest.mark.parametrize("a", [0.2, 3.0, 40.0])
def test_draw_is_differentiable_in_the_tilt(a):
    energy = float64(1e-2, 0.5, 3.0, 30.0)
    assert torch.autograd.gradcheck(lambda t: mills.draw(t, energy), (torch.full_like(energy, a).requires_grad_(),))
