r"""P4, P31. The group horseshoe: $w\mid\kappa\sim N(0,\kappa^2I_d)$, $\kappa$ half-Cauchy with scale $1/g$.

**Proposition.** With $U$ Tricomi's function and $y=g^2\|w\|^2/2$,
$$p(w)=g^d\,(2\pi)^{-d/2}\,\pi^{-1}\,\Gamma(\tfrac{d+1}2)\;U(\tfrac{d+1}2,\tfrac{d+1}2,y).$$

*Proof.* $w=w'/g$ with $w'$ the case $g=1$, so $p(w)=g^dp_1(gw)$. For $g=1$,
$p_1(w)=\int_0^\infty(2\pi\kappa^2)^{-d/2}e^{-y/\kappa^2}\frac2{\pi(1+\kappa^2)}d\kappa$.
Put $t=\kappa^{-2}$: $(2\pi)^{-d/2}\pi^{-1}\int_0^\infty t^{(d+1)/2-1}(1+t)^{-1}e^{-yt}dt$, and the
integral is $\Gamma(a)U(a,b,y)$ with $a=\frac{d+1}2$, $b-a-1=-1$. $\square$

**Consequences.** (i) At $w=0$ the integrand behaves like $t^{(d-1)/2-1}$ at infinity, so $p$ is unbounded
there: like $\|w\|^{-(d-1)}$, and like $-\log|w|$ for $d=1$. The MAP of the marginal is always $w=0$.
(ii) At infinity only small $t$ matter and $p(w)\sim
g^d(2\pi)^{-d/2}\pi^{-1}\Gamma(\frac{d+1}2)y^{-(d+1)/2}$, so $P(\|w\|>\tau)$ falls like $1/\tau$ and
$E\|w\|=\infty$: report quantiles, not means.
(iii) $P(\|w\|>\tau)=E_{x\sim\chi_d}\big[\frac2\pi\arctan\frac{x}{\tau g}\big]$, since $\|w\|=\kappa x$ with
$x\sim\chi_d$ independent of $\kappa$, and $P(\kappa>c)=\frac2\pi\arctan\frac1{cg}$.

The log density is computed from the $t$-integral in the log domain, which works for every row. `hyperu` and
the exponential integral ($U(a,a,y)=e^yy^{1-a}E_a(y)$, integer $a$) are the second computation. The notes
trust `hyperu` for all $d<40$; that is so at moderate norms only: scipy 1.17 returns NaN at $d=7$,
$\|w\|=.01$ and, for $d=11,15,19,\dots$, over an ever wider range of small norms.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expn, gammaln, hyperu

from theory.arrays import FloatArray
from theory.checks import Check
from theory.monte_carlo import against_mean
from theory.quadrature import integral, log_integral


def log_density(norm: ArrayLike, guidance: ArrayLike, dim: int) -> FloatArray:
    """log p(w) in nats of a row with ||w||_2 = norm > 0, broadcast; +inf at norm 0 (the density is unbounded)."""
    return np.vectorize(_log_density, otypes=[float])(norm, guidance, dim)


def _log_density(norm: float, guidance: float, dim: int) -> float:
    if norm == 0:
        return float("inf")
    y = (guidance * norm) ** 2 / 2
    order = (dim + 1) / 2
    peak = np.log(order / y)
    kernel = log_integral(
        lambda u: order * u - np.logaddexp(0, u) - y * np.exp(u), min(peak, 0) - 120 / order - 10, max(peak, 0) + 10
    )
    return dim * np.log(guidance) - dim / 2 * np.log(2 * np.pi) - np.log(np.pi) + kernel


def log_density_hyperu(norm: ArrayLike, guidance: ArrayLike, dim: int) -> FloatArray:
    """The same through scipy's Tricomi function: NaN at small norms for some dim (7, 11, 15, ...)."""
    y = (np.asarray(guidance) * np.asarray(norm)) ** 2 / 2
    order = (dim + 1) / 2
    constant = dim * np.log(guidance) - dim / 2 * np.log(2 * np.pi) - np.log(np.pi) + gammaln(order)
    return constant + np.log(hyperu(order, order, y))


def tail_log_density(norm: ArrayLike, guidance: ArrayLike, dim: int) -> FloatArray:
    """The leading term of log p for large norms."""
    y = (np.asarray(guidance) * np.asarray(norm)) ** 2 / 2
    order = (dim + 1) / 2
    constant = dim * np.log(guidance) - dim / 2 * np.log(2 * np.pi) - np.log(np.pi) + gammaln(order)
    return constant - order * np.log(y)


def norm_survival(threshold: ArrayLike, guidance: ArrayLike, dim: int) -> FloatArray:
    """P(||w||_2 > threshold), broadcast; a function of threshold * guidance and dim."""
    return np.vectorize(_norm_survival, otypes=[float])(threshold, guidance, dim)


def _norm_survival(threshold: float, guidance: float, dim: int) -> float:
    if threshold == 0:
        return 1.0
    scale = threshold * guidance

    def log_integrand(u: FloatArray) -> FloatArray:
        return dim * u - np.exp(2 * u) / 2 + np.log(2 / np.pi * np.arctan(np.exp(u) / scale))

    log_mass = log_integral(log_integrand, -60 / dim - 5, float(np.log(np.sqrt(dim) + 40)))
    return float(np.exp(log_mass - (dim / 2 - 1) * np.log(2) - gammaln(dim / 2)))


def sample(guidance: float, dim: int, size: int, rng: np.random.Generator) -> FloatArray:
    """Independent draws (size, dim): a half-Cauchy scale times a standard normal."""
    scale = np.abs(rng.standard_cauchy(size)) / guidance
    return scale[:, None] * rng.standard_normal((size, dim))


def _density_checks() -> list[Check]:
    found: list[Check] = []
    for dim in (1, 2, 5, 16, 38):
        pair = float(log_density(0.7, 1.3, dim)), float(log_density_hyperu(0.7, 1.3, dim))
        found.append(Check("P4", f"log p vs hyperu, d={dim}", *pair, 1e-8))
    for dim in (1, 3, 101, 783):
        order, y = (dim + 1) // 2, (1.3 * 9.0) ** 2 / 2
        constant = dim * np.log(1.3) - dim / 2 * np.log(2 * np.pi) - np.log(np.pi) + gammaln(order)
        exact = float(constant + y + (1 - order) * np.log(y) + np.log(expn(order, y)))
        found.append(Check("P4", f"log p vs E_n, d={dim}", float(log_density(9.0, 1.3, dim)), exact, 1e-9))
    return found


def _shape_checks() -> list[Check]:
    """Tail exponent, the pole at zero, and that the density integrates to one."""
    tail = float(log_density(1e4, 1.3, 6) - tail_log_density(1e4, 1.3, 6))
    pole = float(log_density(1e-6, 1.3, 6) - log_density(1e-5, 1.3, 6))
    area = np.log(2) + 3 * np.log(np.pi) - gammaln(3)
    mass = integral(lambda u: float(np.exp(area + 6 * u + log_density(np.exp(u), 1.3, 6))), -25.0, 25.0)
    return [
        Check("P4", "tail ||w||^-(d+1)", tail, 0.0, 1e-6),
        Check("P4", "pole ||w||^-(d-1)", pole, 5 * np.log(10.0), 1e-4),
        Check("P4", "mass in e^-25 < ||w|| < e^25", mass, 1.0, 1e-7),
    ]


def _survival_checks() -> list[Check]:
    rng = np.random.default_rng(6)
    found: list[Check] = []
    for dim in (2, 10, 100):
        norm = np.linalg.norm(sample(1.3, dim, 100_000, rng), axis=1)
        survival = norm_survival(1.5, 1.3, dim)
        found.append(against_mean("P4", f"P(||w|| > 1.5), d={dim}", survival, (norm > 1.5).astype(float)))
    found.append(Check("P4", "P(||w|| > 0)", float(norm_survival(0.0, 1.3, 3)), 1.0, 0.0))
    printed = ((2, 0.65668), (10, 0.87125))
    return found + [
        Check("P4", f"P(||w|| > .6), g=1, d={dim}, as printed", float(norm_survival(0.6, 1.0, dim)), number, 5e-6)
        for dim, number in printed
    ]


def checks() -> list[Check]:
    """The log-domain integral against two special functions, its shape, and survivals by Monte Carlo."""
    return [*_density_checks(), *_shape_checks(), *_survival_checks()]
