r"""P12. Nested widths: hazards, width laws and Gibbs costs are three coordinates of one prior.

A nested prior keeps the first $K$ units: $m_u=1[u\le K]$, $K\in\{0,\dots,U\}$, so it is a law of $K$, and
$S(k)=P(K\ge k)=P(m_k=1)$.

**Proposition.**
1. For guidance $\gamma_1,\dots,\gamma_U\ge0$, $S(k)=\exp(-\sum_{u\le k}\gamma_u)$ defines a width law with
   $p(k)=S(k)(1-e^{-\gamma_{k+1}})$ for $k<U$ and $p(U)=S(U)$: guidance is a cumulative hazard, and
   $P(K=k-1\mid K\ge k-1)=1-e^{-\gamma_k}$.
2. Among laws with $S(U)>0$ this is a bijection: $\gamma_k=\log\frac{S(k-1)}{S(k)}\ge0$.
3. Among laws positive everywhere so is $p(k)\propto\exp(-\sum_{u\le k}c_u)$, $c_k=\log\frac{p(k-1)}{p(k)}$ of any sign.
   This Gibbs form is independent inclusion with log odds $-c_u$, conditioned on the mask being nested.
4. $c_k=\gamma_k+\log\frac{1-e^{-\gamma_k}}{1-e^{-\gamma_{k+1}}}$ for $k<U$, $c_U=\log(e^{\gamma_U}-1)$.
   So $c=\gamma$ for constant $\gamma$ and $U=\infty$, and rising guidance may have negative Gibbs costs.
5. $EK=\sum_kS(k)$, $EK^2=\sum_k(2k-1)S(k)$.

*Proof.* (1) $p(k)=S(k)-S(k+1)$ with $S(U+1)=0$; divide by $S(k)$. (2) Take logarithms; $S$ is non-increasing.
(3) Ratios of neighbouring probabilities determine a positive law; the independent weight of the mask with first $k$
units is $\prod_{u\le k}e^{-c_u}$ times a constant. (4) Insert (1) into (3); for $k=U$, $p(U)=S(U)$ gives
$c_U=\log\frac{S(U-1)(1-e^{-\gamma_U})}{S(U)}$. (5) Summation by parts. $\square$

*Reproduced from the notes:* $\gamma_k=0.02k$, and $U=30$ (not stated there, found by matching) has Gibbs costs from
$-0.66$ to $0.55$; the same numbers read as Gibbs costs have hazards $\gamma=0.119, 0.133,\dots$
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from theory.arrays import BoolArray, FloatArray, log_sum_exp
from theory.checks import Check
from theory.enumeration import enumerate_models


def survival_from_hazards(hazards: ArrayLike) -> FloatArray:
    """P(K >= k) = P(unit k present) for k = 1..U, shape (U,), from the hazards gamma in nats."""
    return np.exp(-np.cumsum(hazards))


def log_width_pmf_from_hazards(hazards: ArrayLike) -> FloatArray:
    """log P(K = k) in nats for k = 0..U, shape (U + 1,); a zero hazard gives minus infinity."""
    gamma = np.asarray(hazards, dtype=np.float64)
    with np.errstate(divide="ignore"):
        log_stop = np.append(np.log(-np.expm1(-gamma)), 0.0)
    return log_stop - np.append(0.0, np.cumsum(gamma))


def hazards_from_width_pmf(width_pmf: ArrayLike) -> FloatArray:
    """gamma_k = log S(k-1)/S(k) in nats, shape (U,), from P(K = k), shape (U + 1,), with P(K = U) > 0."""
    log_survival = np.log(np.cumsum(np.asarray(width_pmf, dtype=np.float64)[::-1])[::-1])
    return log_survival[:-1] - log_survival[1:]


def gibbs_costs_from_width_pmf(width_pmf: ArrayLike) -> FloatArray:
    """c_k = log P(K = k-1) / P(K = k) in nats, shape (U,), from a law that is positive everywhere."""
    return -np.diff(np.log(np.asarray(width_pmf, dtype=np.float64)))


def width_pmf_from_gibbs_costs(costs: ArrayLike) -> FloatArray:
    """P(K = k) proportional to exp(-(c_1 + ... + c_k)), shape (U + 1,)."""
    log_weights = -np.append(0.0, np.cumsum(costs))
    return np.exp(log_weights - log_sum_exp(log_weights))


def width_variance(hazards: ArrayLike) -> float:
    """Var K from the survival curve alone."""
    survival = survival_from_hazards(hazards)
    return float((2 * np.arange(1, len(survival) + 1) - 1) @ survival - survival.sum() ** 2)


def entropy(hazards: ArrayLike) -> float:
    """Entropy of K, hence of the mask, in nats."""
    return float(entr(np.exp(log_width_pmf_from_hazards(hazards))).sum())


def log_prob(masks: BoolArray, width_pmf: ArrayLike) -> FloatArray:
    """log p(m) in nats of masks (n, U): minus infinity unless the present units are the first ones."""
    with np.errstate(divide="ignore"):
        log_pmf = np.log(np.asarray(width_pmf, dtype=np.float64))
    is_nested = np.all(masks[:, 1:] <= masks[:, :-1], axis=1)
    return np.where(is_nested, log_pmf[masks.sum(axis=1)], -np.inf)


def checks() -> list[Check]:
    """Round trips, the Gibbs form by enumeration, and the printed numbers of the notes."""
    hazards = 0.02 * np.arange(1, 31)
    pmf = np.exp(log_width_pmf_from_hazards(hazards))
    costs = gibbs_costs_from_width_pmf(pmf)
    misread = hazards_from_width_pmf(width_pmf_from_gibbs_costs(hazards))
    widths = np.arange(31)
    constant = gibbs_costs_from_width_pmf(np.exp(log_width_pmf_from_hazards(np.full(2000, 0.1))))
    few = np.array([0.4, -0.7, 0.1, 1.3, -0.2, 0.9])
    conditioned = enumerate_models(lambda masks: masks @ -few + log_prob(masks, np.ones(7)), 6)
    gibbs_error = np.abs(conditioned.width_pmf() - width_pmf_from_gibbs_costs(few)).max()
    round_trip = np.abs(width_pmf_from_gibbs_costs(costs) - pmf).max()
    return [
        Check("P12", "hazard -> pmf -> hazard", np.abs(hazards_from_width_pmf(pmf) - hazards).max(), 0.0, 1e-13),
        Check("P12", "pmf -> Gibbs -> pmf", float(round_trip), 0.0, 1e-15),
        Check("P12", "independent given nested = Gibbs", float(gibbs_error), 0.0, 1e-15),
        Check("P12", "constant hazard: c = gamma", float(constant[5]), 0.1, 1e-12),
        Check("P12", "variance from S", width_variance(hazards), _variance(pmf, widths), 1e-11),
        Check("P12", "first Gibbs cost, printed -0.66", float(costs.min()), -0.66, 0.005),
        Check("P12", "largest Gibbs cost, printed 0.55", float(costs.max()), 0.55, 0.0055),
        Check("P12", "misread hazard 1, printed .119", float(misread[0]), 0.119, 5e-4),
        Check("P12", "misread hazard 2, printed .133", float(misread[1]), 0.133, 5e-4),
        Check("P12", "entropy, printed 2.89 nats", entropy(hazards), 2.89, 0.005),
    ]


def _variance(pmf: FloatArray, widths: NDArray[np.int_]) -> float:
    return float(pmf @ (widths - pmf @ widths) ** 2)
