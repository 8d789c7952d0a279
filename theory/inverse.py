r"""P14. The inverse problem: from the law that is wanted to the costs.

**Proposition** (independent inclusion, $\pi_u=\sigma(-c_u)$).
1. Wanted survival $\pi_u\in(0,1)$: $c_u=-\mathrm{logit}\,\pi_u$, one and only one solution.
2. Wanted mean width $M\in(0,U)$ with costs $a+s_u$ of given shape $s$: $a\mapsto\sum_u\sigma(-(a+s_u))$ falls
   strictly from $U$ to $0$, so there is exactly one $a$.
3. Wanted width law $p(0),\dots,p(U)$: there are inclusion probabilities in $[0,1]$ with that law iff the
   generating function $G(z)=\sum_kp(k)z^k$ has only real roots; then they are unique up to order,
   $o_u=-\log(-\zeta_u)$ for the roots $\zeta_u$, and the units beyond the degree of $G$ are absent.
4. Wanted mean width $M\in(0,U)$ of nested units (P12) with hazards $s\,g_u$, $g_u>0$: $s\mapsto\sum_k
   e^{-s(g_1+\dots+g_k)}$ falls strictly from $U$ to $0$, so there is exactly one $s$; cumulative shrinkage has the same
   survivals and so the same $s$.
5. A law with variance above its mean is not attainable (so no negative binomial is, nor a truncation of one that
   leaves the variance above the mean); use a nested, tilted or cumulative prior (P12, P13).

*Proof.* (1) $\sigma$ is a bijection onto $(0,1)$. (2) Each term is continuous and strictly monotone. (3) For
independent units $G(z)=\prod_u(1-\pi_u+\pi_uz)$, whose roots are $-(1-\pi_u)/\pi_u=-e^{-o_u}$, real. Conversely a
polynomial with coefficients $\ge0$, not all $0$, has no positive root, so real roots are $\zeta_u=-t_u\le0$, and
as $G(1)=1$, $G(z)=\prod_u\frac{z+t_u}{1+t_u}$, which is the law of independent units with $\pi_u=1/(1+t_u)$.
Unique factorisation gives uniqueness. (4) $EK=\sum_kS(k)$ by P12; each term is continuous and strictly monotone.
(5) $\mathrm{Var}K=\sum\pi_u(1-\pi_u)\le\sum\pi_u=EK$; a negative binomial has variance mean$/p>$ mean. $\square$

A mean width does not say which model is probable: with $EK=12$, costs of slope $0.02$ have the empty model as
mode and costs of slope $0.2$ a mode of $12$ units (the $0$ and $12$ of the notes, which do not say $U$;
$U=30,32,40,50,64$ all give them).

A computed root of multiplicity $k$ is real only to $\varepsilon^{1/k}$, so realness is judged by its consequence:
least squares over $\pi\in[0,1]^U$, started at the real parts, must reach the wanted law.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, least_squares
from scipy.special import expit, logit
from scipy.stats import nbinom

from theory.arrays import FloatArray
from theory.checks import Check
from theory.nested import log_width_pmf_from_hazards, survival_from_hazards
from theory.size_law import poisson_binomial_log_pmf


def costs_from_survival(survival: ArrayLike) -> FloatArray:
    """c_u = -logit pi_u in nats, from wanted inclusion probabilities in (0, 1)."""
    return -logit(np.asarray(survival, dtype=np.float64))


def costs_from_mean_width(mean_width: float, shape: ArrayLike) -> FloatArray:
    """The costs a + shape_u in nats, shape (U,), under which the expected number of units is `mean_width`.

    Raises: ValueError: unless 0 < mean_width < U.
    """
    slope = np.asarray(shape, dtype=np.float64)
    if not 0 < mean_width < len(slope):
        raise ValueError(f"mean width {mean_width}: it must lie strictly between 0 and {len(slope)} units")
    margin = abs(logit(mean_width / len(slope))) + 1
    low, high = -margin - slope.max(), margin - slope.min()
    shift = brentq(lambda a: float(np.sum(expit(-(a + slope)))) - mean_width, low, high, xtol=1e-13)
    return slope + np.asarray(shift)


def hazards_from_mean_width(mean_width: float, shape: ArrayLike) -> FloatArray:
    """The hazards s shape_u in nats, shape (U,), under which nested units number `mean_width` on average.

    Raises: ValueError: unless 0 < mean_width < U.
    """
    slope = np.asarray(shape, dtype=np.float64)
    if not 0 < mean_width < len(slope):
        raise ValueError(f"mean width {mean_width}: it must lie strictly between 0 and {len(slope)} units")
    # Every survival lies between those at the first and at all of the hazard: exp(-s sum) <= S(k) <= exp(-s first).
    log_share = np.log(mean_width / len(slope))
    low, high = -log_share / slope.sum() * (1 - 1e-9), -log_share / slope[0] * (1 + 1e-9)
    strength = brentq(lambda s: float(survival_from_hazards(s * slope).sum()) - mean_width, low, high, xtol=1e-15)
    return slope * np.asarray(strength)


def pgf_roots(size_pmf: ArrayLike) -> NDArray[np.inexact]:
    """Roots (complex) of the generating function of P(K = k), k = 0..U; trailing zero probabilities are dropped."""
    return np.roots(np.asarray(size_pmf, dtype=np.float64)[::-1])


def log_odds_from_size_pmf(size_pmf: ArrayLike, tolerance: float = 1e-8) -> FloatArray:
    """Log odds (U,) in nats, descending, of independent units whose number has the wanted law; -inf: never present.

    Raises: ValueError: if no independent units have this law to within `tolerance` in every probability.
    """
    wanted = np.asarray(size_pmf, dtype=np.float64)
    start = np.zeros(len(wanted) - 1)
    roots = np.minimum(np.real(pgf_roots(wanted)), 0.0)
    start[: len(roots)] = 1 / (1 - roots)
    fit = least_squares(lambda survival: _law(survival) - wanted, start, bounds=(0, 1), xtol=1e-15, gtol=1e-15)
    error = np.abs(fit.fun).max()
    if not error <= tolerance:
        raise ValueError(f"no independent units have this width law (closest: {error:.1e} off): use a nested prior")
    return np.sort(logit(fit.x))[::-1]


def _law(survival: FloatArray) -> FloatArray:
    """P(K = k) of independent units, by convolution."""
    pmf = np.ones(1)
    for present in survival:
        pmf = np.convolve(pmf, [1 - present, present])
    return pmf


def is_attainable(size_pmf: ArrayLike) -> bool:
    """Whether independent inclusion can have this width law."""
    try:
        log_odds_from_size_pmf(size_pmf)
    except ValueError:
        return False
    return True


def checks() -> list[Check]:
    """Round trips, a law with a multiple root, a law that cannot be had, and the two modes of the notes."""
    survival = np.array([0.9, 0.5, 0.03, 0.3, 0.77])
    odds = np.array([3.0, 1.2, 0.4, -0.1, -0.8, -2.0, -2.1])
    recovered = log_odds_from_size_pmf(np.exp(poisson_binomial_log_pmf(odds)))
    binomial_odds = log_odds_from_size_pmf(np.exp(poisson_binomial_log_pmf(np.full(6, 0.4))))
    wide = nbinom.pmf(np.arange(25), 3, 0.3)
    wide /= wide.sum()
    units = np.arange(1, 41)
    flat, steep = (costs_from_mean_width(12.0, slope * units) for slope in (0.02, 0.2))
    back = expit(-costs_from_survival(survival))
    equal, rising = (hazards_from_mean_width(12.0, shape) for shape in (np.ones(40), units))
    once = np.exp(-equal[0])
    widths = np.exp(log_width_pmf_from_hazards(rising)) @ np.arange(41)
    return [
        Check("P14", "survival -> costs -> survival", np.abs(back - survival).max(), 0.0, 1e-15),
        Check("P14", "law -> odds, max error", np.abs(recovered - odds).max(), 0.0, 1e-9),
        Check("P14", "six equal units, max error", np.abs(binomial_odds - 0.4).max(), 0.0, 2e-2),
        Check("P14", "negative binomial attainable", float(is_attainable(wide)), 0.0, 0.0),
        Check("P14", "P(K=3)=1 attainable in U=5", float(is_attainable([0, 0, 0, 1, 0, 0])), 1.0, 0.0),
        Check("P14", "E K, slope 0.02", float(expit(-flat).sum()), 12.0, 1e-11),
        Check("P14", "E K, equal hazards", once * (1 - once**40) / (1 - once), 12.0, 1e-11),
        Check("P14", "E K, rising hazards", float(widths), 12.0, 1e-11),
        Check("P14", "mode size, slope 0.02, printed 0", float((flat < 0).sum()), 0.0, 0.0),
        Check("P14", "mode size, slope 0.2, printed 12", float((steep < 0).sum()), 12.0, 0.0),
    ]
