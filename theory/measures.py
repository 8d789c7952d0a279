r"""P21. Measures of a posterior over models: Bayes factors, divergence from the prior, calibration.

**Proposition.**
1. *(Unit Bayes factor.)* $\log\frac{p(D\mid m_u=1)}{p(D\mid m_u=0)}=\mathrm{logit}P(m_u=1\mid
   D)-\mathrm{logit}P(m_u=1)$.
2. *(Divergence.)* If the prior $p(m)=\prod_u\mathrm{Bern}(\pi_u)$, for any $q$ with marginals $q_u$
   $$\mathrm{KL}(q\|p)=\sum_u\mathrm{KL}(\mathrm{Bern}\,q_u\|\mathrm{Bern}\,\pi_u)+\mathrm{TC}(q),$$
   $\mathrm{TC}(q)=\sum_uH(q_u)-H(q)\ge0$: the divergence computed from marginals is a lower bound, exact iff $q$
   is independent.
3. *(Guided $L_0$.)* With $\pi=\sigma(-c)$,
   $\mathrm{KL}(\mathrm{Bern}\,q\|\mathrm{Bern}\,\pi)=cq-H(q)+\log(1+e^{-c})$. So training with an expected $L_0$
   penalty $\sum c_uq_u$ is the negative ELBO without the entropy of the gates.
4. *(Calibration.)* If $(m,D)$ is drawn from the model and $p_u=P(m_u=1\mid D)$, then $E\,p_u=\pi_u$, and over
   independent data sets $z=\sum(m_u-p_u)/\sqrt{\sum p_u(1-p_u)}$ (one unit, summed over data sets) tends to
   $N(0,1)$. With $V$ uniform, $P(K<k\mid D)+V\,P(K=k\mid D)$ at the true width $k$ is uniform.

*Proof.* (1) Bayes for the event $m_u=1$. (2) $E_q\log p=\sum_uE_{q_u}\log\mathrm{Bern}(\pi_u)$; add and subtract
$\sum H(q_u)$; $\mathrm{TC}=\mathrm{KL}(q\|\prod q_u)$. (3) $\log\pi=-c-\log(1+e^{-c})$,
$\log(1-\pi)=-\log(1+e^{-c})$. (4) Given $D$, $m_u$ is $\mathrm{Bern}(p_u)$: mean $0$ and variance $E[p_u(1-p_u)]$
of $m_u-p_u$, central limit theorem and law of large numbers. Given $D$, $K$ has the posterior law, whose
randomised distribution function at $K$ is uniform. $\square$

Over several units of one data set the $m_u-p_u$ are dependent; $z$ is to be formed per unit.

The check simulates 400 regressions from the spike-and-slab prior with exact posteriors: $|z|\le4$ for the right
prior, $|z|>4$ for one whose inclusion probability is wrong. The notes' $6.00255=5.98107+.02148$ and $.0669$ are
for unstated $q$; only the identity is checked.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, expit, logit
from scipy.stats import kstest

from theory.arrays import BoolArray, FloatArray, log_sum_exp
from theory.checks import Check
from theory.enumeration import ExactModels, all_masks, enumerate_models
from theory.linear_gaussian import inclusion_probabilities, log_evidences

KS_P_VALUE = 1e-3


def log_bayes_factors(posterior: ArrayLike, prior: ArrayLike) -> FloatArray:
    """log Bayes factor for each unit in nats, shape (U,), from inclusion probabilities in (0, 1)."""
    return np.asarray(logit(posterior) - logit(prior))


def bernoulli_divergence(posterior: ArrayLike, log_odds: ArrayLike) -> FloatArray:
    """KL(Bern q_u || Bern sigma(o_u)) in nats, shape (U,); q may be 0 or 1."""
    q, cost = np.asarray(posterior, dtype=np.float64), -np.asarray(log_odds, dtype=np.float64)
    return np.asarray(cost * q - entr(q) - entr(1 - q) + np.logaddexp(0, -cost))


def divergence_from_independent(models: ExactModels, log_odds: ArrayLike) -> tuple[float, float]:
    """(factorised part, total correlation) in nats of KL(q || independent inclusion); their sum is the KL."""
    return float(bernoulli_divergence(models.unit_survival(), log_odds).sum()), models.total_correlation()


def calibration_z(inclusion: FloatArray, present: BoolArray) -> FloatArray:
    """One z per unit, shape (U,), from probabilities and truths of shape (data sets, U)."""
    return (present - inclusion).sum(axis=0) / np.sqrt((inclusion * (1 - inclusion)).sum(axis=0))


def randomised_rank(width_pmf: FloatArray, width: int, uniform: float) -> float:
    """P(K < width) + uniform * P(K = width): uniform on (0, 1) if the width is a draw from the law."""
    return float(width_pmf[:width].sum() + uniform * width_pmf[width])


def checks() -> list[Check]:
    """The decomposition by enumeration, and simulation-based calibration with exact posteriors."""
    return [*_divergence_checks(), *_calibration_checks()]


def _divergence_checks() -> list[Check]:
    rng = np.random.default_rng(21)
    coupling = np.triu(rng.normal(size=(8, 8)), 1)
    q = enumerate_models(lambda masks: np.einsum("nu,uv,nv->n", masks * 1.0, coupling, masks * 1.0), 8)
    odds = rng.normal(size=8)
    log_prior = q.masks @ odds - np.logaddexp(0, odds).sum()
    exact = float(np.exp(q.log_probs) @ (q.log_probs - log_prior))
    factorised, correlation = divergence_from_independent(q, odds)
    gate, prior = 0.3, float(expit(-1.2))
    direct = gate * np.log(gate / prior) + (1 - gate) * np.log((1 - gate) / (1 - prior))
    return [
        Check("P21", "KL = factorised + total correlation", factorised + correlation, exact, 1e-12),
        Check("P21", "factorised KL is lower", float(factorised < exact), 1.0, 0.0),
        Check("P21", "guided L0: KL of one gate", float(bernoulli_divergence(gate, -1.2)), float(direct), 1e-14),
    ]


def _simulate(prior_log_odds: float, data_sets: int) -> tuple[BoolArray, list[FloatArray]]:
    """Masks (data sets, 4) and the log evidences (16,) of regressions drawn from the spike-and-slab prior."""
    rng = np.random.default_rng(210)
    present = rng.random((data_sets, 4)) < expit(prior_log_odds)
    evidences = []
    for mask in present:
        design = rng.normal(size=(12, 4)) + 0.7 * rng.normal(size=(12, 1))
        target = design @ (mask * rng.normal(size=4)) + rng.normal(size=12)
        evidences.append(log_evidences(design, target, [[0], [1], [2], [3]], np.ones(4), 1.0))
    return present, evidences


def _calibration_checks() -> list[Check]:
    present, evidences = _simulate(-0.4, 400)
    masks = all_masks(4)
    sizes = masks.sum(axis=1)
    right, wrong = (
        np.stack([inclusion_probabilities(evidence, odds * sizes) for evidence in evidences]) for odds in (-0.4, 1.2)
    )
    uniforms = np.random.default_rng(211).random(400)
    pmfs = [_width_pmf(evidence - 0.4 * sizes, sizes) for evidence in evidences]
    ranks = [randomised_rank(p, int(m.sum()), v) for p, m, v in zip(pmfs, present, uniforms, strict=True)]
    first = masks[:, 0]
    weighted = evidences[0] - 0.4 * (sizes - first)
    averages = float(log_sum_exp(weighted[first])), float(log_sum_exp(weighted[~first]))
    factor = log_bayes_factors(right[0, 0], expit(-0.4))
    return [
        Check("P21", "unit log Bayes factor", float(factor), averages[0] - averages[1], 1e-11),
        Check("P21", "calibration, largest |z| of 4 units", np.abs(calibration_z(right, present)).max(), 0.0, 4.0),
        Check("P21", "wrong prior: all |z| > 4", float((np.abs(calibration_z(wrong, present)) > 4).all()), 1.0, 0.0),
        Check("P21", "ranks of K uniform (KS)", float(kstest(ranks, "uniform").pvalue > KS_P_VALUE), 1.0, 0.0),
    ]


def _width_pmf(log_joint: FloatArray, sizes: NDArray[np.int_]) -> FloatArray:
    probabilities = np.exp(log_joint - log_sum_exp(log_joint))
    return np.array([probabilities[sizes == k].sum() for k in range(sizes.max() + 1)])
