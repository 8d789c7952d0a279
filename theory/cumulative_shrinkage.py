r"""P12 (continued). Cumulative shrinkage: moments, the exact law, and where shrinkage really increases.

**Cumulative shrinkage prior (CSP).** $B_l=1-v_l\in[0,1]$ independent, $S_u=\prod_{l\le u}B_l$, and given $B$ the
units are independent with $P(m_u=1\mid B)=S_u$. Guided: any law of $B_l$ with $E B_l=e^{-\gamma_l}$; here
$B_l\sim\mathrm{Beta}(\phi e^{-\gamma_l},\phi(1-e^{-\gamma_l}))$, $\phi>0$ the concentration.

**Proposition 1.**
1. $P(m_u=1)=\exp(-\sum_{l\le u}\gamma_l)$. For $v_l\sim\mathrm{Beta}(1,\alpha)$, $\gamma=\log(1+1/\alpha)$ and,
   with infinitely many units, $EK=\alpha$.
2. For $u\le v$, $E[m_um_v]=\prod_{l\le u}E B_l^2\prod_{u<l\le v}E B_l$ ($u<v$).
3. One survival curve $S$, three priors: independent, CSP and nested have equal means and
   $\mathrm{Var}K_{\rm ind}\le\mathrm{Var}K_{\rm CSP}\le\mathrm{Var}K_{\rm nested}$.
4. $p(m)=g_1(1)$, where $g_{U+1}=1$ and $g_u(s)=E\big[h_u(sB_u)\big]$, $h_u(x)=x^{m_u}(1-x)^{1-m_u}g_{u+1}(x)$:
   polynomials, and taking $E$ multiplies the coefficient of $s^j$ by $E B_u^j$.

*Proof.* (1) $E S_u=\prod E B_l$; for $\mathrm{Beta}(1,\alpha)$, $E B=\alpha/(1+\alpha)$ and
$\sum_{u\ge1}(\frac\alpha{1+\alpha})^u=\alpha$. (2) $E[m_um_v]=E[S_uS_v]$, and
$S_uS_v=\prod_{l\le u}B_l^2\prod_{u<l\le v}B_l$. (3)
$\mathrm{Var}K=\sum_uS_u(1-S_u)+2\sum_{u<v}\mathrm{cov}(m_u,m_v)$, only the covariances differ, and with
$\bar S=ES$: $0\le E[S_uS_v]-\bar S_u\bar S_v$ since $E B^2\ge(E B)^2$, and $E[S_uS_v]\le E S_v=P(m_u=m_v=1)$
under nesting, since $S_u\le1$. (4) Integrate the units out from the last to the first. $\square$

**Multiplicative gamma process (MGP).** Column precisions $\tau_h=\prod_{l\le h}\delta_l$,
$\delta_1\sim\mathrm{Gamma}(a_1,1)$, $\delta_l\sim\mathrm{Gamma}(a_2,1)$.

**Proposition 2.** As $h$ grows (i) $E\tau_h=a_1a_2^{h-1}$ rises iff $a_2>1$; (ii) $E\log\tau_h$ rises, and
$\tau_h\to\infty$ almost surely, iff $\psi(a_2)>0$, $a_2>1.4616$; (iii) the mean variance
$E\tau_h^{-1}=\frac1{a_1-1}(a_2-1)^{1-h}$ (for $a_1,a_2>1$) falls iff $a_2>2$; (iv) if $a_2\le a_1$ then
$P(\tau_2<t)/P(\tau_1<t)\to\infty$ as $t\to0$: however large $a_2$, the second column has the heavier tail of large
variances, so the columns are never ordered stochastically. *For $a_2\in(1.4616,2)$ typical shrinkage and the mean
variance both rise.*

*Proof.* (i), (iii) Moments $E\delta=a_2$, $E\delta^{-1}=1/(a_2-1)$. (ii) $E\log\delta=\psi(a_2)$ and the law of
large numbers; for $\psi=0$ the walk oscillates. (iv) $P(\delta_1<x)\sim x^{a_1}/\Gamma(a_1+1)$ as $x\to0$ and
$P(\tau_2<t)=E\,P(\delta_1<t/\delta_2\mid\delta_2)$, so by Fatou $\liminf P(\tau_2<t)/P(\tau_1<t)\ge
E\,\delta_2^{-a_1}$, which is infinite iff $a_2\le a_1$. $\square$

*From the notes* ($\gamma_l=0.02l$, $U=30$ found by matching): mean 7.88, variances 2.586 and 21.396, entropies
8.19 and 2.89 are reproduced. The CSP's Monte Carlo variance 7.45 depends on the law of $v_l$, which they do not
state; concentration $\phi=2$ gives 7.471 exactly, $v_l\sim\mathrm{Beta}(1,\cdot)$ 3.720.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import digamma, gammainc
from scipy.stats import gamma as gamma_law

from theory import nested, size_law
from theory.arrays import FloatArray
from theory.checks import Check
from theory.enumeration import all_masks
from theory.monte_carlo import against_mean


def factor_moments(hazards: ArrayLike, concentration: ArrayLike, order: int) -> FloatArray:
    """E B_l^j for j = 0..order, shape (U, order + 1), of Beta factors with mean exp(-hazard_l).

    The concentration is one number or one per unit; 1 / (1 - exp(-hazard)) makes v_l a Beta(1, .).
    """
    mean = np.exp(-np.asarray(hazards, dtype=np.float64))[:, None]
    total = np.broadcast_to(np.asarray(concentration, dtype=np.float64), len(mean))[:, None]
    steps = np.arange(order)
    ratios = (total * mean + steps) / (total + steps)
    return np.asarray(np.cumprod(np.hstack([np.ones_like(mean), ratios]), axis=1), dtype=np.float64)


def width_covariance(hazards: ArrayLike, concentration: ArrayLike) -> FloatArray:
    """Covariance of the inclusion indicators under the CSP, shape (U, U)."""
    moments = factor_moments(hazards, concentration, 2)
    survival = np.cumprod(moments[:, 1])
    both_over_first = np.cumprod(moments[:, 2] / moments[:, 1])
    units = np.arange(len(survival))
    joint = both_over_first[np.minimum.outer(units, units)] * survival[np.maximum.outer(units, units)]
    covariance = joint - np.outer(survival, survival)
    np.fill_diagonal(covariance, survival * (1 - survival))
    return covariance


def log_prob(mask: ArrayLike, hazards: ArrayLike, concentration: ArrayLike) -> float:
    """log p(m) in nats of one mask (U,). Alternating sums: for up to about 25 units."""
    present = np.asarray(mask, dtype=bool)
    moments = factor_moments(hazards, concentration, len(present))
    polynomial = np.ones(1)
    for unit in range(len(present) - 1, -1, -1):
        factor = np.array([0.0, 1.0]) if present[unit] else np.array([1.0, -1.0])
        polynomial = np.convolve(polynomial, factor)
        polynomial = polynomial * moments[unit, : len(polynomial)]
    return float(np.log(polynomial.sum()))


def gamma_process_log_precision_drift(shape: float) -> float:
    """E log delta = psi(a_2) in nats per column: positive iff the precisions grow almost surely."""
    return float(digamma(shape))


def gamma_process_mean_variance(first_shape: float, shape: float, column: int) -> float:
    """E 1/tau_h of column h = 1, 2, ...; infinite unless both shapes exceed 1."""
    if min(first_shape, shape) <= 1:
        return float("inf")
    return (shape - 1) ** (1 - column) / (first_shape - 1)


def sample_masks(hazards: ArrayLike, concentration: float, draws: int, rng: np.random.Generator) -> FloatArray:
    """Masks (draws, U) of the CSP as zeros and ones."""
    mean = np.exp(-np.asarray(hazards, dtype=np.float64))
    factors = rng.beta(concentration * mean, concentration * (1 - mean), size=(draws, len(mean)))
    return (rng.random(factors.shape) < np.cumprod(factors, axis=1)).astype(np.float64)


def checks() -> list[Check]:
    """The three priors with one survival curve, the CSP's exact law, and the MGP."""
    return [*_variance_checks(), *_law_checks(), *_gamma_process_checks()]


def _variance_checks() -> list[Check]:
    hazards = 0.02 * np.arange(1, 31)
    survival = nested.survival_from_hazards(hazards)
    covariance = width_covariance(hazards, 2.0)
    widths = sample_masks(hazards, 2.0, 100_000, np.random.default_rng(12)).sum(axis=1)
    independent = float(survival @ (1 - survival))
    log_odds = np.log(survival / (1 - survival))
    ordered = independent < covariance.sum() < nested.width_variance(hazards)
    return [
        Check("P12", "mean width, printed 7.88", float(survival.sum()), 7.88, 0.0051),
        Check("P12", "variance, independent, printed", independent, 2.586, 5.1e-4),
        Check("P12", "variance, nested, printed", nested.width_variance(hazards), 21.396, 5.1e-4),
        Check("P12", "entropy, independent, printed", size_law.entropy(log_odds), 8.19, 0.0051),
        against_mean("P12", "CSP: mean width", float(survival.sum()), widths),
        against_mean("P12", "CSP: variance", float(covariance.sum()), (widths - survival.sum()) ** 2),
        Check("P15", "CSP: sd, printed 2.73", float(covariance.sum()) ** 0.5, 2.73, 0.0051),
        Check("P15", "sd from marginals, printed 1.61", independent**0.5, 1.61, 0.0051),
        Check("P12", "variances in order", float(ordered), 1.0, 0.0),
    ]


def _law_checks() -> list[Check]:
    hazards = np.array([0.1, 0.3, 0.2, 0.6, 0.4, 0.05, 0.7, 0.2])
    masks = all_masks(8)
    probabilities = np.exp([log_prob(mask, hazards, 1.7) for mask in masks])
    centred = masks - probabilities @ masks
    covariance = centred.T @ (probabilities[:, None] * centred)
    error = np.abs(covariance - width_covariance(hazards, 1.7)).max()
    geometric = np.full(400, np.log1p(1 / 5.0))
    beta = width_covariance(0.02 * np.arange(1, 31), -1 / np.expm1(-0.02 * np.arange(1, 31)))
    return [
        Check("P12", "CSP: variance for v = Beta(1, .)", float(beta.sum()), 3.720, 5.1e-4),
        Check("P12", "CSP: total probability", float(probabilities.sum()), 1.0, 1e-13),
        Check("P12", "CSP: covariance, max error", float(error), 0.0, 1e-13),
        Check("P12", "CSP Beta(1, 5): E K = 5", float(nested.survival_from_hazards(geometric).sum()), 5.0, 1e-12),
    ]


def _gamma_process_checks() -> list[Check]:
    rng = np.random.default_rng(120)
    increments = rng.gamma(1.7, size=(200_000, 2))
    threshold = 0.02
    second, _ = quad(lambda x: gammainc(3, threshold / x) * gamma_law.pdf(x, 3), 0, np.inf, epsabs=1e-12)
    rise = gamma_process_mean_variance(5.0, 1.7, 2) - gamma_process_mean_variance(5.0, 1.7, 1)
    inverse_precision = 1 / (rng.gamma(5.0, size=200_000) * rng.gamma(3.5, size=200_000))
    return [
        against_mean("P12", "MGP: drift", gamma_process_log_precision_drift(1.7), np.log(increments[:, 1])),
        against_mean("P12", "MGP: mean variance", gamma_process_mean_variance(5.0, 3.5, 2), inverse_precision),
        Check("P12", "MGP a2=1.7: both rise", float(rise > 0 and digamma(1.7) > 0), 1.0, 0.0),
        Check("P12", "MGP: psi(1.46163)", float(digamma(1.4616321449683623)), 0.0, 1e-12),
        Check("P12", "MGP: P(tau_2<t) > P(tau_1<t)", float(second > gammainc(3, threshold)), 1.0, 0.0),
    ]
