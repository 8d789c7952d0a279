r"""P3. The sparse group Laplace prior: its normaliser is a one-dimensional integral in every dimension.

Density on $\mathbb R^d$: $p(w)=e^{-r_1\|w\|_1-r_2\|w\|_2}/Z_d(r_1,r_2)$, degree 1 (P1).

**Proposition.** With $\rho=r_1/r_2$, $z\sim N(0,1)$ and $\mathrm{erfcx}(x)=e^{x^2}\mathrm{erfc}(x)$,
$$Z_d(r_1,r_2)=\Big(\frac{\sqrt{2\pi}}{r_2}\Big)^d\,E\big[\,|z|^d\,\mathrm{erfcx}(\rho|z|/\sqrt2)^d\,\big].$$

*Proof.* The first passage law: if $t=r_2^2/z^2$ then $E\,e^{-ty^2/2}=e^{-r_2y}$ for $y\ge0$ (the Laplace
transform of the Levy distribution). Put $y=\|w\|_2$ and exchange the integrals. Given $t$ the coordinates
separate, and each contributes $\int e^{-r_1|x|-tx^2/2}dx=\sqrt{2\pi/t}\ \mathrm{erfcx}(r_1/\sqrt{2t})$ by
completing the square. Insert $1/\sqrt t=|z|/r_2$. $\square$

So $\log Z=-d\log r_2+\zeta_d(\rho)$: one function of one number per dimension. In $u=\log z$ the
integrand is analytic and log-concave ($\mathrm{erfcx}(e^u)\propto\int e^{-2e^{u+v}-e^{2v}+v}dv$ is, by Prekopa),
so the trapezoid rule reaches rounding error at 4001 points. An angular Monte Carlo fails at $d=100$: its
weights are heavy.

**Sampler.** The proof is a mixture: draw $z$ from the density proportional to
$z^d\,\mathrm{erfcx}(\rho z/\sqrt2)^d e^{-z^2/2}$, put $s=z^2/r_2^2$, then independently
$|w_j|\sim N(-r_1s,s)$ truncated to $(0,\infty)$, with random signs. With $a=r_1\sqrt s$ the truncated
normal is $\sqrt s\,(x-a)$, $x\sim N(0,1)$ given $x>a$.

**Mean norms.** $E\|w\|_1=-\partial_{r_1}\log Z$, $E\|w\|_2=-\partial_{r_2}\log Z$, and
$r_1E\|w\|_1+r_2E\|w\|_2=d$.

The limits: $r_1=0$ is the group Laplace and $r_2=0$ the product of Laplace densities. The notes print
1.29345833 for $Z$ at $d=3$, $(r_1,r_2)=(.8,1.5)$ with the reference 1.29345835: the reference is right.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import dblquad
from scipy.special import erfcx, log_ndtr, ndtri_exp

from theory.arrays import FloatArray
from theory.checks import Check
from theory.densities import group_laplace_log_normalizer, laplace_log_normalizer
from theory.homogeneity import penalty_survival
from theory.monte_carlo import against_mean
from theory.quadrature import log_integral, window


def _log_mixing_density(log_z: FloatArray, ratio: float, dim: int) -> FloatArray:
    """log of z^d erfcx(rho z / sqrt 2)^d exp(-z^2 / 2) dz/d(log z)."""
    z = np.exp(log_z)
    return (dim + 1) * log_z + dim * np.log(erfcx(ratio * z / np.sqrt(2))) - z**2 / 2


def _log_z_range(ratio: float, dim: int) -> tuple[float, float]:
    """Below: erfcx <= 1, so the integrand falls like z^(d+1). Above: like exp(-z^2 / 2)."""
    return -60.0 / (dim + 1) - np.log1p(ratio) - 5.0, float(np.log(np.sqrt(dim) + 40.0))


def zeta(ratio: float, dim: int) -> float:
    """log Z + d log(group_rate), a function of ratio = rate / group_rate alone; nats."""
    kernel = log_integral(lambda u: _log_mixing_density(u, ratio, dim), *_log_z_range(ratio, dim))
    return (dim - 1) / 2 * np.log(2 * np.pi) + np.log(2) + kernel


def log_normalizer(rate: ArrayLike, group_rate: ArrayLike, dim: int) -> FloatArray:
    """log Z in nats of exp(-rate ||w||_1 - group_rate ||w||_2), broadcast over the rates.

    Raises: ValueError: if a rate is negative or both are zero (there is no such density).
    """
    return np.vectorize(_log_normalizer, otypes=[float])(rate, group_rate, dim)


def _log_normalizer(rate: float, group_rate: float, dim: int) -> float:
    if min(rate, group_rate) < 0 or rate + group_rate == 0:
        raise ValueError(f"rates must be >= 0 and not both 0, got {rate} and {group_rate}")
    if group_rate == 0:
        return float(laplace_log_normalizer(rate, dim))
    return zeta(rate / group_rate, dim) - dim * np.log(group_rate)


def log_density(weights: ArrayLike, rate: float, group_rate: float) -> FloatArray:
    """log p of rows (last axis)."""
    w = np.asarray(weights)
    penalty = rate * np.abs(w).sum(axis=-1) + group_rate * np.linalg.norm(w, axis=-1)
    return -penalty - log_normalizer(rate, group_rate, w.shape[-1])


def entropy(rate: ArrayLike, group_rate: ArrayLike, dim: int) -> FloatArray:
    """Differential entropy in nats: log Z + d (P1)."""
    return log_normalizer(rate, group_rate, dim) + dim


def mean_norms(rate: float, group_rate: float, dim: int) -> tuple[float, float]:
    """(E ||w||_1, E ||w||_2) for positive rates, from the derivative of log Z in each rate."""
    step = 1e-4 * rate
    values = log_normalizer(rate + step * np.array([-2, -1, 1, 2]), group_rate, dim)
    mean_l1 = -float(np.dot(values, [1, -8, 8, -1])) / (12 * step)
    return mean_l1, (dim - rate * mean_l1) / group_rate


def sample(rate: float, group_rate: float, dim: int, size: int, rng: np.random.Generator) -> FloatArray:
    """Independent draws (size, dim), exact up to the grid of 4001 points for z; both rates positive."""
    ratio = rate / group_rate
    grid = window(lambda u: _log_mixing_density(u, ratio, dim), *_log_z_range(ratio, dim))
    density = np.exp(_log_mixing_density(grid, ratio, dim) - _log_mixing_density(grid, ratio, dim).max())
    cumulative = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    log_z = np.interp(rng.random(size), cumulative / cumulative[-1], grid)
    scale = (np.exp(log_z) / group_rate)[:, None]
    shift = rate * scale
    truncated = -ndtri_exp(np.log(rng.random((size, dim))) + log_ndtr(-shift))
    return scale * (truncated - shift) * rng.choice([-1.0, 1.0], size=(size, dim))


def _small_dimension_checks() -> list[Check]:
    """d = 1 exactly, d = 2 by cubature, d = 3 as an integral over spherical angles: 2 phi^-3 sin(polar)."""
    plane = dblquad(lambda y, x: np.exp(-0.8 * (x + y) - 1.5 * np.hypot(x, y)), 0, 50, 0, 50, epsabs=1e-12)[0]

    def angular(polar: float, azimuth: float) -> float:
        l1 = np.sin(polar) * (np.cos(azimuth) + np.sin(azimuth)) + np.cos(polar)
        return float(np.sin(polar) * 2 / (0.8 * l1 + 1.5) ** 3)

    octant = dblquad(angular, 0, np.pi / 2, 0, np.pi / 2, epsabs=1e-12)[0]
    value = {dim: float(np.exp(log_normalizer(0.8, 1.5, dim))) for dim in (1, 2, 3)}
    return [
        Check("P3", "Z, d=1: 2/(r1+r2)", value[1], 2 / 2.3, 1e-13),
        Check("P3", "Z, d=2", value[2], 4 * plane, 1e-9),
        Check("P3", "Z, d=3", value[3], 8 * octant, 1e-10),
        Check("P3", "Z, d=1 as printed", value[1], 0.869565217, 5e-10),
        Check("P3", "Z, d=2 as printed", value[2], 0.9953387253, 5e-11),
        Check("P3", "Z, d=3 as printed", value[3], 1.29345835, 5e-9),
        Check("P3", "log Z, d=100 as printed", float(log_normalizer(0.8, 1.5, 100)), 68.65237, 5e-6),
    ]


def _limit_checks() -> list[Check]:
    found: list[Check] = []
    for dim in (1, 37, 784, 2000):
        value = float(log_normalizer(0.0, 1.3, dim))
        exact = float(group_laplace_log_normalizer(1.3, dim))
        found.append(Check("P3", f"r1=0 is group Laplace, d={dim}", value, exact, 1e-12 * abs(exact) + 1e-12))
    product = float(log_normalizer(1.3, 0.0, 37)), float(laplace_log_normalizer(1.3, 37))
    found.append(Check("P3", "r2=0 is Laplace, d=37", *product, 0.0))
    near = float(log_normalizer(1.3, 1e-5, 37))
    first_order = float(laplace_log_normalizer(1.3, 37)) - 1e-5 * _mean_laplace_norm(1.3, 37)
    return [*found, Check("P3", "r2->0 is Laplace, d=37", near, first_order, 1e-8)]


def _mean_laplace_norm(rate: float, dim: int) -> float:
    """E ||w||_2 under independent Laplace weights: -d log Z / d r2 at r2 = 0, by quadrature of E exp(-t w^2)."""
    grid = np.linspace(-36.0, 60.0, 4801)  # below, 1 - transform has no digits left
    t = np.exp(grid)
    transform = rate * np.sqrt(np.pi / t) / 2 * erfcx(rate / (2 * np.sqrt(t)))
    return float(np.sum(-np.expm1(dim * np.log(transform)) * np.exp(-grid / 2)) * 0.02 / (2 * np.sqrt(np.pi)))


def _sampler_checks() -> list[Check]:
    draws = sample(0.8, 1.5, 10, 200_000, np.random.default_rng(4))
    l1, l2 = np.abs(draws).sum(axis=1), np.linalg.norm(draws, axis=1)
    penalty = 0.8 * l1 + 1.5 * l2
    mean_l1, mean_l2 = mean_norms(0.8, 1.5, 10)
    survival = penalty_survival(12.0, 1.0, 10, 1)
    return [
        against_mean("P3", "E||w||_1, d=10", mean_l1, l1),
        against_mean("P3", "E||w||_2, d=10", mean_l2, l2),
        against_mean("P3", "P(penalty > 12) = Q(10, 12)", survival, (penalty > 12.0).astype(float)),
        against_mean("P3", "entropy, d=10", entropy(0.8, 1.5, 10), -log_density(draws, 0.8, 1.5)),
    ]


def _large_dimension_check() -> Check:
    """d = 100 by importance sampling from independent Laplace weights tuned to the mean of ||w||_1."""
    rng = np.random.default_rng(5)
    proposal_rate = 100 / mean_norms(0.8, 1.5, 100)[0]
    draws = rng.laplace(scale=1 / proposal_rate, size=(100_000, 100))
    l1, l2 = np.abs(draws).sum(axis=1), np.linalg.norm(draws, axis=1)
    value = float(log_normalizer(0.8, 1.5, 100))
    log_weights = (proposal_rate - 0.8) * l1 - 1.5 * l2 + float(laplace_log_normalizer(proposal_rate, 100)) - value
    return against_mean("P3", "Z by importance sampling / Z, d=100", 1.0, np.exp(log_weights))


def checks() -> list[Check]:
    """Small dimensions by cubature, the two limits, the sampler, and d = 100 by importance sampling."""
    return [
        *_small_dimension_checks(),
        *_limit_checks(),
        *_sampler_checks(),
        _large_dimension_check(),
    ]
