r"""P19 (threshold form). The Bayes factor of removing a unit, for priors with any density at zero.

**Proposition.** Let $f(w_u)=p(D\mid w_u)$, the other weights integrated out, be bounded, and continuous at $0$.
For any prior of $w_u$ that has mass in every ball around $0$ (its density may be infinite or have a kink there),
$$\lim_{\tau\to0}\frac{P(\lVert w_u\rVert\le\tau\mid D)}{P(\lVert w_u\rVert\le\tau)}
    =\frac{p(D\mid w_u=0)}{p(D)}=\mathrm{BF}_{01}.$$

*Proof.* By Bayes the ratio is the mean of $f/p(D)$ over the prior restricted to the ball, hence between the
infimum and the supremum of $f/p(D)$ there, and both tend to $f(0)/p(D)$. $\square$

Nothing is asked of the prior's density, so this covers the group Laplace and the horseshoe, for which
Savage-Dickey's ratio of densities at $0$ is awkward or $\infty/\infty$; the threshold reading of P10, taken to
its limit on both sides, is the evidence.
"""

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.special import exp1, gammainc

from theory.checks import Check
from theory.orthogonal_unit import log_bayes_factor, log_marginal, log_radial_density


def group_laplace_log_ratio(ball: float, effect: float, curvature: float, rate: float, dim: int) -> float:
    """log of the posterior over the prior mass of {||w|| <= ball} in nats, one orthogonal unit."""
    inside, _ = quad(lambda t: np.exp(log_radial_density(t, effect, curvature, rate, dim)), 1e-9 * ball, ball, epsabs=0)
    prior = np.log(gammainc(dim, rate * ball))
    return float(np.log(inside) - log_marginal(effect, curvature, rate, dim) - prior)


def checks() -> list[Check]:
    """Small balls against the evidence, for a density with a kink and for one with a pole at zero."""
    unit = 0.2, 100.0, 12.0, 3
    ball = 1e-4
    prior_mass = _horseshoe_integral(lambda w: 1.0, ball)
    mass, evidence = (_horseshoe_integral(_even_likelihood, end) for end in (ball, 4.0))
    bayes_factor = _even_likelihood(0.0) / evidence
    return [
        Check("P19", "small ball, group Laplace", group_laplace_log_ratio(ball, *unit), -log_bayes_factor(*unit), 1e-6),
        Check("P19", "small ball, horseshoe", mass / prior_mass / evidence, bayes_factor, 1e-6),
    ]


def _even_likelihood(weight: float) -> float:
    """exp(-8 (w - 0.5)^2) averaged over the two signs of w."""
    return float(np.exp(-8 * (weight - 0.5) ** 2) + np.exp(-8 * (weight + 0.5) ** 2)) / 2


def _horseshoe_integral(function: Callable[[float], float], end: float) -> float:
    """Integral of an even function times the scalar horseshoe density over (-end, end), in the log of the weight."""

    def integrand(log_weight: float) -> float:
        half_square = np.exp(2 * log_weight) / 2
        density = (2 * np.pi**3) ** -0.5 * exp1(half_square) * np.exp(half_square)
        return float(2 * function(np.exp(log_weight)) * density * np.exp(log_weight))

    return float(quad(integrand, -45.0, np.log(end), epsabs=0, epsrel=1e-11, limit=400)[0])
