"""Both tails of the horseshoe's norm against mpmath's quadrature and their limits (P4), and the exact inverse."""

import math

import mpmath
import pytest
import torch

from bayes_guided.analysis.horseshoe_odds import norm_level, norm_log_odds


def float64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def exact_log_odds(level: float, dim: int) -> float:
    """The two arctangent integrals over the chi density, in 30 digits."""
    with mpmath.workdps(30):
        log_constant = mpmath.log(2) - dim * mpmath.log(2) / 2 - mpmath.loggamma(mpmath.mpf(dim) / 2)

        def density(x):
            return mpmath.exp(log_constant + (dim - 1) * mpmath.log(x) - x * x / 2)

        centre = math.sqrt(dim)
        near = {centre * f for f in (1e-6, 1e-3, 0.1, 0.5, 0.8, 1, 1.2, 1.5, 2)} | {level * f for f in (1e-3, 1, 10, 1e3)}
        points = [0, *sorted(p for p in near if p < 3 * centre), 3 * centre, 6 * centre + 10, 20 * centre + 40]
        above = mpmath.quad(lambda x: density(x) * mpmath.atan(x / level), points)
        below = mpmath.quad(lambda x: density(x) * mpmath.atan(level / x), points)
        return float(mpmath.log(above / below))


@pytest.mark.parametrize("dim", [1, 2, 3, 37])
@pytest.mark.parametrize("level", [1e-8, 0.1, 1.0, 30.0, 1e12])
def test_log_odds(dim, level):
    found = float(norm_log_odds(float64(math.log(level)), dim)[0])
    assert found == pytest.approx(exact_log_odds(level, dim), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("dim", [2, 3, 100, 2000])
def test_both_far_tails(dim):
    """P(below) -> (2/pi) level E[1/X] and P(above) -> (2/pi) E[X] / level."""
    shift = 0.5 * math.log(2)
    log_inverse = math.lgamma((dim - 1) / 2) - math.lgamma(dim / 2) - shift
    log_mean = math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2) + shift
    exact = float64(600 - log_inverse - math.log(2 / math.pi), log_mean + math.log(2 / math.pi) - 600)
    torch.testing.assert_close(norm_log_odds(float64(-600.0, 600.0), dim), exact, rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize("log_level", [-30.0, -70.0, -600.0])
def test_one_weight_in_the_far_tail(log_level):
    """For one weight P(below) = (2/pi)^(3/2) / 2 int_0^l exp(t^2/2) E_1(t^2/2) dt, where E_1(x) -> -gamma - log x."""
    integral = 2 - 0.57721566490153286 + math.log(2) - 2 * log_level
    exact = -(log_level + math.log(integral / 2) + 1.5 * math.log(2 / math.pi))
    assert float(norm_log_odds(float64(log_level), 1)[0]) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 5, 100, 2000])
def test_level_inverts_the_log_odds(dim):
    wanted = torch.cat([torch.linspace(-600, 600, 61, dtype=torch.float64), float64(-1.0, -1e-6, 1e-6, 1.0)])
    torch.testing.assert_close(norm_log_odds(norm_level(wanted, dim), dim), wanted, rtol=1e-12, atol=1e-11)


def test_one_weight_at_its_median():
    level = float(norm_level(float64(0.0), 1)[0])
    assert exact_log_odds(math.exp(level), 1) == pytest.approx(0, abs=1e-11)
