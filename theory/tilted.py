r"""P13 (tilted widths). A wanted width law, with guided composition.

Given a law $p^*$ on $\{0,\dots,U\}$ and costs $c\in\mathbb R^U$, put $x_u=e^{-c_u}$ and
$$p(m)=p^*(|m|)\,\frac{\prod_{u:m_u=1}x_u}{e_{|m|}(x)},\qquad e_k(x)=\sum_{|S|=k}\prod_{u\in S}x_u .$$

**Proposition.**
1. $p$ is a probability with $P(K=k)=p^*(k)$ exactly, and given $K$ the composition is that of independent inclusion
   with log odds $-c_u$ (plus any constant) conditioned on its size.
2. $e_k$ of the first $n$ weights is $e_k(x_{1:n})=e_k(x_{1:n-1})+x_ne_{k-1}(x_{1:n-1})$: all of them in $O(U^2)$,
   positive terms only.
3. $P(m_u=1)=\sum_{k\ge1}p^*(k)\,x_u\,e_{k-1}(x_{-u})/e_k(x)$, where $x_{-u}$ leaves $u$ out.
4. $p$ is independent inclusion iff $p^*$ is the size law (Poisson-binomial, P15) of log odds $a-c_u$ for some $a$.
   For equal costs $p(m)=p^*(|m|)/\binom U{|m|}$, the exchangeable prior with that size law.

*Proof.* (1) Summing over $|m|=k$ gives $p^*(k)e_k/e_k$; the conditional law is $\prod x_u^{m_u}/e_k$, which is what
$\prod(e^a x_u)^{m_u}$ becomes after conditioning on $|m|=k$, whatever $a$. (2) Split the subsets by whether they
contain $n$. (3) Those with $m_u=1$ and size $k$ have total weight $x_ue_{k-1}(x_{-u})$. (4) By (1) two such priors with
one cost vector agree iff their size laws do. $\square$
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.arrays import BoolArray, FloatArray
from theory.checks import Check
from theory.enumeration import enumerate_models
from theory.size_law import log_prob as independent_log_prob
from theory.size_law import poisson_binomial_log_pmf


def log_elementary_symmetric(log_weights: ArrayLike) -> FloatArray:
    """log e_k(exp(log_weights)) for k = 0..n over the last axis: (..., n) -> (..., n + 1)."""
    weights = np.asarray(log_weights, dtype=np.float64)
    size = weights.shape[-1]
    log_sums = np.full((*weights.shape[:-1], size + 1), -np.inf)
    log_sums[..., 0] = 0.0
    for n in range(size):
        grown = log_sums[..., : n + 1] + weights[..., n, None]
        log_sums[..., 1 : n + 2] = np.logaddexp(log_sums[..., 1 : n + 2], grown)
    return log_sums


def log_prob(masks: BoolArray, costs: ArrayLike, size_pmf: ArrayLike) -> FloatArray:
    """log p(m) in nats of masks (n, U), from costs (U,) in nats and the wanted size law (U + 1,)."""
    log_weights = -np.asarray(costs, dtype=np.float64)
    sizes = masks.sum(axis=1)
    with np.errstate(divide="ignore"):  # a size of probability zero has log probability minus infinity
        log_size_pmf = np.log(np.asarray(size_pmf, dtype=np.float64))
    return log_size_pmf[sizes] + masks @ log_weights - log_elementary_symmetric(log_weights)[sizes]


def inclusion_probabilities(costs: ArrayLike, size_pmf: ArrayLike) -> FloatArray:
    """P(m_u = 1), shape (U,); O(U^3) time, positive terms only."""
    log_weights = -np.asarray(costs, dtype=np.float64)
    size = len(log_weights)
    others = np.array([np.delete(log_weights, unit) for unit in range(size)]).reshape(size, size - 1)
    log_share = log_weights[:, None] + log_elementary_symmetric(others)
    log_share -= log_elementary_symmetric(log_weights)[1:]
    return np.exp(log_share) @ np.asarray(size_pmf, dtype=np.float64)[1:]


def checks() -> list[Check]:
    """Against enumeration, and against independent inclusion where the two priors are one."""
    costs = np.linspace(-0.5, 2.0, 11)
    wanted = np.array([0, 1, 2, 6, 9, 7, 3, 1, 1, 1, 0, 0.5])
    wanted /= wanted.sum()
    exact = enumerate_models(lambda masks: log_prob(masks, costs, wanted), 11)
    survival_error = np.abs(exact.unit_survival() - inclusion_probabilities(costs, wanted)).max()
    independent_law = np.exp(poisson_binomial_log_pmf(0.8 - costs))
    difference = log_prob(exact.masks, costs, independent_law) - independent_log_prob(exact.masks, 0.8 - costs)
    exchangeable = inclusion_probabilities(np.zeros(11), wanted)
    mean_share = float(wanted @ np.arange(12)) / 11
    return [
        Check("P13", "tilted: log normaliser is 0", exact.log_normalizer, 0.0, 1e-13),
        Check("P13", "tilted: size law, max error", np.abs(exact.width_pmf() - wanted).max(), 0.0, 1e-14),
        Check("P13", "tilted: inclusion, max error", float(survival_error), 0.0, 1e-14),
        Check("P13", "tilted = independent for its law", float(np.abs(difference).max()), 0.0, 1e-12),
        Check("P13", "tilted, equal costs: E K / U", float(exchangeable[3]), mean_share, 1e-14),
    ]
