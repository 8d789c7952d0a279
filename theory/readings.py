r"""P10 and P16. Two readings of a continuous guided prior as a prior over models.

A continuous prior gives no mass to $w_u=0$. *Threshold reading:* unit $u$ survives if a size of its row exceeds
$\tau$. *Shrinkage reading:* it survives if the data, of curvature $h$ per weight, outweigh the prior,
$\kappa<\frac12$. Below $Q(a,x)=\Gamma(a,x)/\Gamma(a)$, $d$ weights in the row, rate $r$.

**Proposition 1 (threshold).**

| prior | size | $P(\text{size}>\tau)$ |
|---|---|---|
| group Laplace $e^{-r\lVert w\rVert_2}$ | $\lVert w\rVert_2$ | $Q(d,r\tau)$ |
| Laplace $e^{-r\lVert w\rVert_1}$ | $\lVert w\rVert_1$ | $Q(d,r\tau)$ |
| Laplace | $\max_j\lvert w_j\rvert$ | $1-(1-e^{-r\tau})^d$ |
| Gaussian $e^{-r\lVert w\rVert_2^2}$ | $\lVert w\rVert_2$ | $Q(d/2,r\tau^2)$ |
| group $L_{1/2}$ $e^{-r\lVert w\rVert_2^{1/2}}$ | $\lVert w\rVert_2$ | $Q(2d,r\tau^{1/2})$ |

The rate that gives a wanted survival $\pi$ is $Q^{-1}(d,\pi)/\tau$ for the first two, $Q^{-1}(d/2,\pi)/\tau^2$
for the Gaussian. Measured by its own penalty any of them has $P(\phi>t)=Q(d/k,t)$ whatever the guidance: no
reading at all.

*Proof.* P1: $r\phi(w)\sim\mathrm{Gamma}(d/k,1)$, and size$>\tau$ iff $\phi>\phi(\tau)$; the maximum of $d$
independent exponentials. $Q(a,\cdot)$ is strictly decreasing. $\square$

**Proposition 2 (steepness).** For the group Laplace, with survival $p=Q(d,x)$ at $x=r\tau$,
$$\frac{d\,\mathrm{logit}\,p}{d\log r}=-\frac{x^de^{-x}}{\Gamma(d)\,p(1-p)},$$
which at $p=\frac12$ tends to $-\sqrt{8d/\pi}$ ($\pi=3.14\dots$): an almost sharp step at $r\tau\approx d$.

*Proof.* $\partial_xQ=-x^{d-1}e^{-x}/\Gamma(d)$ and $\mathrm{logit}'=1/(p(1-p))$. The median is
$x=d-\frac13+O(1/d)$, where Stirling gives $x^de^{-x}/\Gamma(d)=\sqrt{d/2\pi}\,(1+O(1/d))$. $\square$

At $d=100$ the slope is $-15.936$; the notes' $-15.956$ is the one at $r\tau=d$, where $p=0.487$; the limit's
formula gives $-15.958$. So at a small pruning threshold every unit survives a priori ($d=100$, $\tau=0.01$,
$r=1,30,300$: $1-p<10^{-16}$): exact zeros of a MAP do not mean that this reading favours small models.

**Proposition 3 (shrinkage).** Write the slab as $w\mid s\sim N(0,sI)$ and $\kappa=1/(1+hs)$, the factor by which
the posterior mean of a weight with likelihood curvature $h$ is pulled to $0$. Then
1. horseshoe with $\sqrt s\sim C^+(0,a/\sqrt h)$ (for P4's prior, $a=\sqrt h/g$): $E\kappa=\frac1{1+a}$,
   $P(\kappa<\frac12)=\frac2\pi\arctan a$;
2. group Laplace, $s\sim\mathrm{Gamma}(\frac{d+1}2,\frac{r^2}2)$:
   $P(\kappa<\frac12)=Q(\frac{d+1}2,\frac{r^2}{2h})$ and, with $x=\frac{r^2}{2h}$, $\alpha=\frac{d+1}2$,
   $E\kappa=x^\alpha\,U(\alpha,\alpha,x)$ ($U$: Tricomi);
3. Gaussian, $s=\frac1{2r}$: $\kappa=\frac{2r}{2r+h}$.

The prior effective width is $m_{\rm eff}=\sum_u(1-E\kappa_u)$. For a Gaussian posterior $\Sigma$ and prior
variance $s$ its analogue, $1-\mathrm{tr}\,\Sigma_{uu}/(d_us)$, is $1-\kappa$ when $\Sigma_{uu}=(h+1/s)^{-1}I$.

*Proof.* (1) $hs=a^2y^2$ with $y\sim C^+(0,1)$: $P(ay>1)$, and
$\frac2\pi\int_0^\infty\frac{dy}{(1+a^2y^2)(1+y^2)}=\frac1{1+a}$ by partial fractions. (2) $P(s>1/h)$, and
$E\kappa=\frac1{\Gamma(\alpha)}\int\frac{y^{\alpha-1}e^{-y}}{1+y/x}dy$; put $y=xt$. (3) $s$ is fixed. The
posterior mean is $(1-\kappa)\hat w$ since $hs/(1+hs)=1-\kappa$. $\square$
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import gammaincc, gammainccinv, gammaln, hyperu
from scipy.stats import gamma as gamma_law

from theory.arrays import FloatArray
from theory.checks import Check
from theory.monte_carlo import against_mean


def group_laplace_survival(rate: ArrayLike, dim: ArrayLike, threshold: ArrayLike) -> FloatArray:
    """P(||w||_2 > threshold) for exp(-rate ||w||_2); equally P(||w||_1 > threshold) for exp(-rate ||w||_1)."""
    return np.asarray(gammaincc(dim, np.multiply(rate, threshold)))


def laplace_max_survival(rate: ArrayLike, dim: ArrayLike, threshold: ArrayLike) -> FloatArray:
    """P(max_j |w_j| > threshold) for independent Laplace weights."""
    return -np.expm1(np.asarray(dim) * np.log1p(-np.exp(-np.multiply(rate, threshold))))


def gaussian_survival(rate: ArrayLike, dim: ArrayLike, threshold: ArrayLike) -> FloatArray:
    """P(||w||_2 > threshold) for exp(-rate ||w||^2), that is for the variance 1 / (2 rate)."""
    return np.asarray(gammaincc(np.divide(dim, 2), np.multiply(rate, np.square(threshold))))


def group_sqrt_laplace_survival(rate: ArrayLike, dim: ArrayLike, threshold: ArrayLike) -> FloatArray:
    """P(||w||_2 > threshold) for exp(-rate ||w||^(1/2))."""
    return np.asarray(gammaincc(np.multiply(2, dim), np.multiply(rate, np.sqrt(threshold))))


def group_laplace_rate(survival: ArrayLike, dim: ArrayLike, threshold: float) -> FloatArray:
    """The rate at which P(||w||_2 > threshold) is `survival`."""
    return np.asarray(gammainccinv(dim, survival)) / threshold


def gaussian_rate(survival: ArrayLike, dim: ArrayLike, threshold: float) -> FloatArray:
    """The rate at which P(||w||_2 > threshold) is `survival` for exp(-rate ||w||^2)."""
    return np.asarray(gammainccinv(np.divide(dim, 2), survival)) / threshold**2


def steepness(rate_times_threshold: float, dim: int) -> float:
    """d logit P(||w||_2 > threshold) / d log rate of the group Laplace, where rate * threshold has this value."""
    x, survival = rate_times_threshold, float(gammaincc(dim, rate_times_threshold))
    return float(-np.exp(dim * np.log(x) - x - gammaln(dim)) / (survival * (1 - survival)))


def horseshoe_shrinkage_survival(scale: ArrayLike) -> FloatArray:
    """P(kappa < 1/2) for sqrt(h s) ~ C+(0, scale)."""
    return 2 / np.pi * np.arctan(scale)


def horseshoe_mean_kappa(scale: ArrayLike) -> FloatArray:
    """E kappa for sqrt(h s) ~ C+(0, scale)."""
    return 1 / (1 + np.asarray(scale, dtype=np.float64))


def group_laplace_shrinkage_survival(rate: ArrayLike, dim: ArrayLike, curvature: ArrayLike) -> FloatArray:
    """P(kappa < 1/2) of a group Laplace row whose weights have likelihood curvature h."""
    return np.asarray(gammaincc(np.add(dim, 1) / 2, np.square(rate) / np.multiply(2, curvature)))


def group_laplace_mean_kappa(rate: float, dim: int, curvature: float) -> float:
    """E kappa of a group Laplace row; scipy's hyperu is accurate here up to a few tens of weights."""
    shape, x = (dim + 1) / 2, rate**2 / (2 * curvature)
    return float(x**shape * hyperu(shape, shape, x))


def gaussian_kappa(rate: ArrayLike, curvature: ArrayLike) -> FloatArray:
    """kappa = 2 r / (2 r + h), a constant."""
    return 2 * np.asarray(rate) / (2 * np.asarray(rate) + np.asarray(curvature))


def effective_fraction(covariance: NDArray[np.floating], prior_variance: float) -> float:
    """1 - tr(Sigma_uu) / (d s) of one row's posterior covariance (d, d): 1 - kappa of a Gaussian posterior."""
    return 1 - float(np.trace(covariance)) / (len(covariance) * prior_variance)


def checks() -> list[Check]:
    """Monte Carlo from the definitions, exact inverses, and the printed steepness."""
    return [*_threshold_checks(), *_inverse_checks(), *_shrinkage_checks()]


def _threshold_checks() -> list[Check]:
    rng = np.random.default_rng(10)
    laplace = rng.laplace(scale=1 / 3.0, size=(200_000, 4))
    normal = rng.normal(scale=6.0**-0.5, size=(200_000, 4))
    maximum, total = np.abs(laplace).max(axis=1), np.abs(laplace).sum(axis=1)
    above, below = (quad(lambda x: x**3 * np.exp(-3 * x**0.5), *ends)[0] for ends in ((7, np.inf), (0, 7)))
    mixture = rng.gamma(2.5, 2 / 9.0, size=(200_000, 1)) ** 0.5 * rng.normal(size=(200_000, 4))
    group = np.linalg.norm(mixture, axis=1)
    return [
        against_mean("P10", "group Laplace", group_laplace_survival(3.0, 4, 1.4), group > 1.4),
        against_mean("P10", "Laplace, L1 size", group_laplace_survival(3.0, 4, 1.4), total > 1.4),
        against_mean("P10", "Laplace, max size", laplace_max_survival(3.0, 4, 0.8), maximum > 0.8),
        against_mean("P10", "Gaussian", gaussian_survival(3.0, 4, 0.8), np.linalg.norm(normal, axis=1) > 0.8),
        Check("P10", "group L1/2", float(group_sqrt_laplace_survival(3, 4, 7)), above / (above + below), 1e-8),
    ]


def _inverse_checks() -> list[Check]:
    rates = np.array([1.0, 30.0, 300.0])
    median = float(gammainccinv(100, 0.5))
    group = group_laplace_survival(group_laplace_rate(0.3, 25, 0.05), 25, 0.05)
    gauss = gaussian_survival(gaussian_rate(0.3, 25, 0.05), 25, 0.05)
    pruning = group_laplace_survival(rates, 100, 0.01)
    return [
        Check("P10", "inverse, group Laplace", float(group), 0.3, 1e-14),
        Check("P10", "inverse, Gaussian", float(gauss), 0.3, 1e-14),
        Check("P10", "steepness at pi=1/2, d=100", steepness(median, 100), _numeric_steepness(100), 1e-6),
        Check("P10", "steepness at r tau=d=100, printed -15.956", steepness(100.0, 100), -15.956, 5.1e-4),
        Check("P10", "asymptote, printed -15.958", -((800 / np.pi) ** 0.5), -15.958, 5.1e-4),
        Check("P10", "1 - survival at pruning thresholds", float(1 - pruning.min()), 0.0, 1e-16),
    ]


def _numeric_steepness(dim: int) -> float:
    log_rate = np.log(group_laplace_rate(0.5, dim, 1.0)) + np.array([-1e-5, 1e-5])
    survival = group_laplace_survival(np.exp(log_rate), dim, 1.0)
    return float(np.diff(np.log(survival / (1 - survival)))[0] / 2e-5)


def _shrinkage_checks() -> list[Check]:
    rng = np.random.default_rng(16)
    horseshoe = 1 / (1 + (1.3 * rng.standard_cauchy(400_000)) ** 2)
    laplace = 1 / (1 + 4.0 * rng.gamma(3.0, 2 / 9.0, size=400_000))
    kappa, _ = quad(lambda s: gamma_law.pdf(s, 3.0, scale=2 / 9.0) / (1 + 4.0 * s), 0, np.inf, epsabs=1e-12)
    design = np.linalg.qr(rng.normal(size=(50, 6)))[0] * 2.0
    covariance = np.linalg.inv(design.T @ design + np.eye(6) / 0.7)
    expected = 1 - gaussian_kappa(1 / 1.4, 4.0)
    return [
        against_mean("P16", "horseshoe P(kappa < 1/2)", horseshoe_shrinkage_survival(1.3), horseshoe < 0.5),
        against_mean("P16", "horseshoe E kappa", horseshoe_mean_kappa(1.3), horseshoe),
        against_mean("P16", "group Laplace P(kappa<1/2)", group_laplace_shrinkage_survival(3, 5, 4), laplace < 0.5),
        Check("P16", "group Laplace E kappa", group_laplace_mean_kappa(3.0, 5, 4.0), kappa, 1e-10),
        Check("P16", "1 - tr Sigma/(d s) = 1 - kappa", effective_fraction(covariance, 0.7), float(expected), 1e-13),
    ]
