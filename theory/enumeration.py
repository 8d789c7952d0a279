r"""Brute force over all masks: the definition of a prior over models, computed literally.

**Objects.** A model is a mask $m\in\{0,1\}^U$. Any function $\ell(m)$ gives the prior $p(m)=e^{\ell(m)}/Z$ with
$Z=\sum_m e^{\ell(m)}$, the inclusion probabilities $\pi_u=\sum_{m:m_u=1}p(m)$, the size law
$P(K=k)=\sum_{|m|=k}p(m)$, the entropy $-\sum p\log p$ and the total correlation
$\sum_u H(\mathrm{Bern}(\pi_u))-H(p)\ge 0$, which is $0$ iff the units are independent.

**Proposition.** If $\ell(m)=\sum_u o_u m_u$ then $\log Z=\sum_u\log(1+e^{o_u})$, $\pi_u=\sigma(o_u)$, the units are
independent, and the mode is $m_u=1[o_u>0]$.

*Proof.* $e^{\ell}$ is a product over units, so the sum over all masks is the product of the sums over $m_u\in\{0,1\}$:
$Z=\prod_u(1+e^{o_u})$ and $p(m)=\prod_u e^{o_um_u}/(1+e^{o_u})$. Each factor is largest at $m_u=1[o_u>0]$. $\square$

There is nothing to prove about the functions themselves: they are the definitions, and every other file of this
folder (and the tests of the package) is held against them at up to about 16 units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, expit

from theory.arrays import BoolArray, FloatArray, log_sum_exp
from theory.checks import Check

MAX_UNITS = 20


@dataclass(frozen=True)
class ExactModels:
    """Every model of U units with its probability: masks (2^U, U) and log_probs (2^U,), in nats."""

    masks: BoolArray
    log_probs: FloatArray
    log_normalizer: float

    def unit_survival(self) -> FloatArray:
        """P(m_u = 1) of every unit, shape (U,)."""
        return np.exp(self.log_probs) @ self.masks

    def width_pmf(self, units: Sequence[int] | slice = slice(None)) -> FloatArray:
        """P(k of the given units are present) for k = 0, 1, ..., all of them by default."""
        widths = self.masks[:, units].sum(axis=1)
        pmf = np.zeros(self.masks[:, units].shape[1] + 1)
        np.add.at(pmf, widths, np.exp(self.log_probs))
        return pmf

    def entropy(self) -> float:
        """Entropy of the distribution over models in nats."""
        return float(np.sum(entr(np.exp(self.log_probs))))

    def total_correlation(self) -> float:
        """Sum of the units' entropies minus the joint entropy, in nats; 0 iff the units are independent."""
        survival = self.unit_survival()
        return float(np.sum(entr(survival)) + np.sum(entr(1 - survival))) - self.entropy()

    def covariance(self) -> FloatArray:
        """Covariance of the inclusion indicators, shape (U, U)."""
        centred = self.masks - self.unit_survival()
        return centred.T @ (np.exp(self.log_probs)[:, None] * centred)

    def most_probable(self, count: int) -> tuple[BoolArray, FloatArray]:
        """The `count` most probable models, best first: masks (count, U) and log probabilities (count,)."""
        order = np.argsort(-self.log_probs, kind="stable")[:count]
        return self.masks[order], self.log_probs[order]


def all_masks(num_units: int) -> BoolArray:
    """All 2^U masks, shape (2^U, U), the last unit changing fastest.

    Raises: ValueError: above 20 units, where the table no longer fits.
    """
    if not 0 <= num_units <= MAX_UNITS:
        raise ValueError(f"enumeration of {num_units} units: it is possible for 0 to {MAX_UNITS} units only")
    places = np.arange(num_units - 1, -1, -1)
    return (np.arange(2**num_units)[:, None] >> places) % 2 == 1


def enumerate_models(log_weight: Callable[[BoolArray], ArrayLike], num_units: int) -> ExactModels:
    """The distribution p(m) proportional to exp(log_weight(m)).

    `log_weight` maps masks (n, U) to unnormalised log weights (n,); minus infinity forbids a model.
    """
    masks = all_masks(num_units)
    log_weights = np.asarray(log_weight(masks), dtype=np.float64)
    log_normalizer = float(log_sum_exp(log_weights))
    return ExactModels(masks, log_weights - log_normalizer, log_normalizer)


def checks() -> list[Check]:
    """The factorised prior, whose every summary is known."""
    log_odds = np.array([2.0, -0.7, 0.3, 1.1, -2.5, 0.05, -1.2, 0.6, -0.4, 1.7])
    exact = enumerate_models(lambda masks: masks @ log_odds, len(log_odds))
    survival = expit(log_odds)
    variance = np.diag(survival * (1 - survival))
    mode = exact.most_probable(1)[0][0]
    return [
        Check("P13", "log Z, factorised", exact.log_normalizer, float(np.logaddexp(0, log_odds).sum()), 1e-12),
        Check("P13", "max |pi - sigma(o)|", np.abs(exact.unit_survival() - survival).max(), 0.0, 1e-14),
        Check("P13", "max |cov - diagonal|", float(np.abs(exact.covariance() - variance).max()), 0.0, 1e-14),
        Check("P13", "total correlation, factorised", exact.total_correlation(), 0.0, 1e-12),
        Check("P13", "units wrong in the mode", float((mode != (log_odds > 0)).sum()), 0.0, 0.0),
        Check("P13", "E K from the size law", float(exact.width_pmf() @ np.arange(11)), survival.sum(), 1e-13),
    ]
