r"""One unit in an orthogonal design, group Laplace slab: its exact posterior is a one-dimensional integral.

**Setting.** $L(w)=\tfrac h2\lVert w-a\rVert^2+$ const on $\mathbb R^d$ ("effect" $\lVert a\rVert$, curvature
$h$), slab $\frac{r^d}{C_d}e^{-r\lVert w\rVert}$ with $C_d=2\pi^{d/2}\Gamma(d)/\Gamma(d/2)$.

**Proposition.**
1. The MAP is $(1-\frac{r}{h\lVert a\rVert})_+a$.
2. The integral of $e^{-\frac h2\lVert w-a\rVert^2}$ over the sphere of radius $\rho$ is, with
   $x=h\lVert a\rVert\rho$ and $\nu=\frac d2-1$, $(2\pi)^{d/2}\rho^{d-1}e^{-\frac h2(\rho^2+\lVert
   a\rVert^2)}x^{-\nu}I_\nu(x)$. So evidence and $P(\lVert w\rVert>\tau\mid D)$ are integrals over $\rho$.

*Proof.* (1) $0\in h(w-a)+r\,\partial\lVert w\rVert$. (2) $\lVert w-a\rVert^2=\rho^2+\lVert a\rVert^2-2\rho\lVert
a\rVert\cos\theta$, and $\int_{S^{d-1}}e^{x\cos\theta}=(2\pi)^{d/2}x^{-\nu}I_\nu(x)$, the normaliser of the von
Mises-Fisher law. $\square$

It is the exact answer behind P11 (iv), P19's threshold form, P20 and P27.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import gammaln, ive

from theory.arrays import FloatArray
from theory.checks import Check
from theory.monte_carlo import against_mean

REACH = 14.0  # posterior standard deviations on either side of the peak; the rest weighs less than 1e-40


def log_group_laplace_constant(dim: int) -> float:
    """log C_d in nats: the normaliser of exp(-||w||) on R^d."""
    return float(np.log(2) + dim / 2 * np.log(np.pi) + gammaln(dim) - gammaln(dim / 2))


def map_norm(effect: float, curvature: float, rate: float) -> float:
    """Norm of the MAP row."""
    return max(effect - rate / curvature, 0.0)


def log_radial_density(radius: ArrayLike, effect: float, curvature: float, rate: float, dim: int) -> FloatArray:
    """log of the unnormalised posterior density of ||w||: sphere integral of exp(-h||w-a||^2/2 - r||w||)."""
    rho = np.asarray(radius, dtype=np.float64)
    x, order = curvature * effect * rho, dim / 2 - 1
    bessel = np.log(ive(order, x)) + x - order * np.log(x)
    gauss = -curvature / 2 * (rho**2 + effect**2)
    return dim / 2 * np.log(2 * np.pi) + (dim - 1) * np.log(rho) + gauss + bessel - rate * rho


def log_marginal(effect: float, curvature: float, rate: float, dim: int, above: float = 0.0) -> float:
    """log of the integral of exp(-h||w-a||^2/2 - r||w||) over ||w|| > above, in nats."""

    def log_density(radius: ArrayLike) -> FloatArray:
        return log_radial_density(radius, effect, curvature, rate, dim)

    reach = max(effect, (dim / curvature) ** 0.5) + REACH * curvature**-0.5
    grid = np.linspace(above, max(reach, 2 * above), 2002)[1:]
    values = log_density(grid)
    peak, step = int(values.argmax()), grid[1] - grid[0]
    breaks = np.clip(grid[peak] + 30 * step * np.array([-3.0, -1.0, 0.0, 1.0, 3.0]), above, grid[-1])
    edges = np.unique(np.concatenate([[above], breaks, [grid[-1]]]))
    pieces = [
        quad(lambda t: float(np.exp(log_density(t) - values[peak])), low, high, epsabs=0, epsrel=1e-12)[0]
        for low, high in pairwise(edges)
    ]
    return float(values[peak] + np.log(sum(pieces)))


def log_bayes_factor(effect: float, curvature: float, rate: float, dim: int) -> float:
    """log p(D | unit present) - log p(D | unit absent) in nats."""
    slab = log_group_laplace_constant(dim) - dim * np.log(rate)
    return log_marginal(effect, curvature, rate, dim) - slab + curvature / 2 * effect**2


def posterior_survival(threshold: float, effect: float, curvature: float, rate: float, dim: int) -> float:
    """P(||w|| > threshold | D) under the slab."""
    total = log_marginal(effect, curvature, rate, dim)
    return float(np.exp(log_marginal(effect, curvature, rate, dim, threshold) - total))


def checks() -> list[Check]:
    """Against a one-dimensional quadrature (d = 1) and importance sampling from the likelihood (d = 5)."""
    line, _ = quad(lambda w: np.exp(-50 * (w - 0.1) ** 2 - 12 * abs(w)), -2, 2, points=[0, 0.1], epsabs=1e-14)
    rng = np.random.default_rng(20)
    rows = 0.1 * rng.normal(size=(400_000, 5)) + np.array([0.2, 0, 0, 0, 0])
    weights = np.exp(-12 * np.linalg.norm(rows, axis=1))
    scale = (2 * np.pi / 100) ** 2.5
    tail = np.where(np.linalg.norm(rows, axis=1) > 0.3, weights, 0) * scale
    return [
        Check("P20", "evidence, d=1", np.exp(log_marginal(0.1, 100.0, 12.0, 1)), line, 1e-12),
        against_mean("P20", "evidence, d=5", np.exp(log_marginal(0.2, 100.0, 12.0, 5)), weights * scale),
        against_mean("P20", "posterior mass above 0.3", np.exp(log_marginal(0.2, 100.0, 12.0, 5, 0.3)), tail),
    ]
