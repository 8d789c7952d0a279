r"""P19. Bayesian linear regression: every evidence exactly, and the shortcuts to it.

**Setting.** $y\sim N(Xw,\sigma^2I)$, units are blocks of $w$, prior $w_u\sim N(0,s_uI)$ independent, posterior
$N(\mu,\Sigma)$ with precision $\Lambda=\Sigma^{-1}=X^\top X/\sigma^2+\Pi$, $\mu=\Sigma X^\top y/\sigma^2$. Model
$m$ keeps the blocks with $m_u=1$; $S$ is the set of weights that it removes.

**Proposition.**
1. $\log p(y\mid m)=\log N(y;0,\sigma^2I+X_m\Pi_m^{-1}X_m^\top)$.
2. *(Savage-Dickey.)* If the prior of the full model factorises over $S$ and the rest, for any likelihood
   $$\log p(D\mid m)-\log p(D\mid\text{full})=\log p(w_S=0\mid D)-\log p(w_S=0).$$
3. *(Model reduction.)* Replace the prior precision $\Pi$ by $\tilde\Pi$ (zero means). The posterior precision
   $P=\Lambda$ becomes $\tilde P=P+\tilde\Pi-\Pi$, the mean $\tilde\mu=\tilde P^{-1}P\mu$, and the log evidence
   changes by
   $$\tfrac12\big[\log|\tilde\Pi|-\log|\Pi|+\log|P|-\log|\tilde P|-\mu^\top P\mu+\tilde\mu^\top\tilde P\tilde\mu\big].$$
4. *(Mean field is wrong.)* The best $\prod_uq_u$ has $q_u=N(\mu_u,\Lambda_{uu}^{-1})$, and Savage-Dickey from it
   is off by
   $$\log\mathrm{BF}^{\rm MF}_{01}-\log\mathrm{BF}_{01}
     =-\tfrac12\mu_u^\top(\Lambda_{uu}-\Sigma_{uu}^{-1})\mu_u+\tfrac12\log|\Lambda_{uu}\Sigma_{uu}|,$$
   the first term $\le0$ and unbounded, the second $\ge0$.

*Proof.* (1) $y$ is Gaussian. (2) Bayes at $w_S=0$: $p(w_S=0\mid D)=p(D\mid w_S=0)\,p(w_S=0)/p(D)$, and by
factorisation $p(D\mid w_S=0)=p(D\mid m)$. (3) $\frac{p(D\mid\tilde\Pi)}{p(D\mid\Pi)}=\int\frac{\tilde
p(w)}{p(w)}p(w\mid D)dw$, a Gaussian integral: completing the square gives $\tilde
P\tilde\mu=P\mu$, the determinants are those of the four densities. (4) $\log q_u\propto E_{-u}\log
p=-\frac12w_u^\top\Lambda_{uu}w_u+\dots$, so $q_u$ has precision $\Lambda_{uu}$, and the fixed point for the means
is $\mu$. Subtract $\log N(0;\mu_u,\Sigma_{uu})$. $\Sigma_{uu}^{-1}$ is the Schur complement of $\Lambda$, so
$\Sigma_{uu}^{-1}\preceq\Lambda_{uu}$. $\square$

Hence unit evidence needs the marginal covariance $\Sigma_{uu}$ of a full, low-rank or Kronecker posterior. Units
of a network: `network_unit.py`; priors without a density at $0$: `small_ball.py`. The notes' numbers for logistic
models and for one draw of 24 weights belong to data that are not given; they are not reproduced here.
"""

from collections.abc import Sequence

import numpy as np
from scipy.integrate import quad
from scipy.special import expit

from theory.arrays import FloatArray, log_sum_exp
from theory.checks import Check
from theory.enumeration import all_masks

Blocks = Sequence[Sequence[int]]


def log_evidences(
    design: FloatArray, target: FloatArray, blocks: Blocks, prior_variance: FloatArray, noise_variance: float
) -> FloatArray:
    """log p(y | m) in nats of all 2^U models, in the order of `enumeration.all_masks`, shape (2^U,).

    `prior_variance` (weights,) is the slab's variance of each weight.
    """
    masks = all_masks(len(blocks))
    kept = [[weight for unit, block in enumerate(blocks) if mask[unit] for weight in block] for mask in masks]
    return np.array([_log_evidence(design[:, k], target, prior_variance[k], noise_variance) for k in kept])


def posterior(
    design: FloatArray, target: FloatArray, prior_variance: FloatArray, noise_variance: float
) -> tuple[FloatArray, FloatArray]:
    """(mean, covariance) of the weights of the full model."""
    precision = design.T @ design / noise_variance + np.diag(1 / prior_variance)
    covariance = np.linalg.inv(precision)
    return covariance @ design.T @ target / noise_variance, covariance


def savage_dickey(mean: FloatArray, covariance: FloatArray, prior_variance: FloatArray, removed: Sequence[int]) -> float:
    """log p(D | without the removed weights) - log p(D | full) in nats, from a Gaussian posterior."""
    index = np.asarray(removed, dtype=int)
    block = covariance[np.ix_(index, index)]
    return log_normal_at_zero(mean[index], block) - log_normal_at_zero(0 * mean[index], np.diag(prior_variance[index]))


def model_reduction(
    mean: FloatArray, precision: FloatArray, prior_precision: FloatArray, reduced_prior_precision: FloatArray
) -> float:
    """log evidence under the reduced prior minus that under the prior, in nats; all precisions are matrices."""
    reduced = precision + reduced_prior_precision - prior_precision
    reduced_mean = np.linalg.solve(reduced, precision @ mean)
    log_dets = _log_det(reduced_prior_precision) - _log_det(prior_precision) + _log_det(precision) - _log_det(reduced)
    return 0.5 * (log_dets - float(mean @ precision @ mean) + float(reduced_mean @ reduced @ reduced_mean))


def mean_field_gap(mean: FloatArray, covariance: FloatArray, block: Sequence[int]) -> float:
    """log BF01 of the block-factorised posterior minus the exact log BF01 of removing the block, in nats."""
    index = np.ix_(block, block)
    precision, marginal = np.linalg.inv(covariance)[index], covariance[index]
    effect = mean[list(block)]
    curvature = float(effect @ (precision - np.linalg.inv(marginal)) @ effect)
    return -0.5 * curvature + 0.5 * (_log_det(precision) + _log_det(marginal))


def inclusion_probabilities(log_evidences: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Posterior P(m_u = 1 | D), shape (U,), from log p(D | m) and log p(m), both (2^U,) in the order of `all_masks`."""
    log_joint = log_evidences + log_prior
    masks = all_masks(int(np.log2(len(log_joint))))
    return np.exp(log_joint - log_sum_exp(log_joint)) @ masks


def log_normal_at_zero(mean: FloatArray, covariance: FloatArray) -> float:
    """log N(0; mean, covariance) in nats."""
    distance = float(mean @ np.linalg.solve(covariance, mean))
    return -0.5 * (distance + _log_det(covariance) + len(mean) * np.log(2 * np.pi))


def _log_det(matrix: FloatArray) -> float:
    return float(np.linalg.slogdet(matrix)[1])


def _log_evidence(design: FloatArray, target: FloatArray, prior_variance: FloatArray, noise_variance: float) -> float:
    covariance = noise_variance * np.eye(len(target)) + (design * prior_variance) @ design.T
    return log_normal_at_zero(target, covariance)


def checks() -> list[Check]:
    """Evidences by independent routes, and the mean-field gap from the iterated fixed point."""
    return [*_evidence_checks(), *_mean_field_checks()]


def _regression(units: int, dim: int, rows: int, shared: float) -> tuple[FloatArray, FloatArray, Blocks]:
    """A design whose columns correlate, its target (noise variance 1/2), and the blocks of weights."""
    rng = np.random.default_rng(19)
    design = rng.normal(size=(rows, units * dim)) + shared * rng.normal(size=(rows, 1))
    weights = np.repeat(rng.normal(size=units) * (np.arange(units) % 2), dim)
    target = design @ weights + 0.5**0.5 * rng.normal(size=rows)
    return design, target, [list(range(u * dim, (u + 1) * dim)) for u in range(units)]


def _evidence_checks() -> list[Check]:
    design, target, blocks = _regression(8, 3, 40, 1.0)
    variance = np.repeat(np.linspace(0.5, 2.0, 8), 3)
    evidences = log_evidences(design, target, blocks, variance, 0.5)
    mean, covariance = posterior(design, target, variance, 0.5)
    removed = [[w for unit, block in enumerate(blocks) if not mask[unit] for w in block] for mask in all_masks(8)]
    shortcuts = np.array([savage_dickey(mean, covariance, variance, weights) for weights in removed])
    prior, other = np.diag(1 / variance), np.diag(np.linspace(0.3, 3.0, 24))
    reduction = model_reduction(mean, np.linalg.inv(covariance), prior, other)
    direct = log_evidences(design, target, blocks, 1 / np.diag(other), 0.5)[-1] - evidences[-1]
    column = design[:, :1]
    line, _ = quad(lambda w: float(_likelihood(column, target, w)), -8, 8, points=[0.0, 1.0], epsabs=0, epsrel=1e-11)
    alone = log_evidences(column, target, [[0]], np.ones(1), 0.5)
    return [
        Check("P19", "log evidence by quadrature", float(alone[1] - alone[0]), float(np.log(line)), 1e-9),
        Check("P19", "Savage-Dickey, 256 models, max error", _worst(shortcuts, evidences), 0.0, 1e-10),
        Check("P19", "model reduction", reduction, float(direct), 1e-10),
        *_orthogonal_checks(),
    ]


def _likelihood(column: FloatArray, target: FloatArray, weight: float) -> float:
    """Likelihood ratio to weight 0 (noise variance 1/2) times the N(0, 1) prior density of the weight."""
    fit = column[:, 0] * weight
    return float(np.exp(2 * fit @ target - fit @ fit - weight**2 / 2) * (2 * np.pi) ** -0.5)


def _worst(shortcuts: FloatArray, evidences: FloatArray) -> float:
    return float(np.abs(shortcuts - (evidences - evidences[-1])).max())


def _orthogonal_checks() -> list[Check]:
    rng = np.random.default_rng(190)
    design = 4.0 * np.linalg.qr(rng.normal(size=(30, 6)))[0]
    target = design @ np.array([0.6, 0.2, 0.1, 0.0, 0.9, 0.3]) + rng.normal(size=30)
    prior = np.array([0.3, -0.5, 1.0])
    evidences = log_evidences(design, target, [[0, 1], [2, 3], [4, 5]], np.full(6, 0.8), 1.0)
    inclusion = inclusion_probabilities(evidences, np.matmul(all_masks(3) * 1.0, prior))
    projected = (design.T @ target) ** 2 * 0.8 / (1 + 16 * 0.8)
    exact = expit(prior + 0.5 * projected.reshape(3, 2).sum(axis=1) - np.log(1 + 16 * 0.8))
    return [Check("P19", "PIPs, orthogonal design, max error", np.abs(inclusion - exact).max(), 0.0, 1e-12)]


def _mean_field_checks() -> list[Check]:
    design, target, blocks = _regression(8, 3, 40, 2.0)
    variance = np.ones(24)
    mean, covariance = posterior(design, target, variance, 0.5)
    precision = np.linalg.inv(covariance)
    factorised = np.zeros(24)
    for _ in range(5_000):
        for block in blocks:
            residual = precision @ (mean - factorised)
            factorised[block] += np.linalg.solve(precision[np.ix_(block, block)], residual[block])
    gaps = []
    for block in blocks:
        wrong = log_normal_at_zero(factorised[block], np.linalg.inv(precision[np.ix_(block, block)]))
        right = log_normal_at_zero(mean[block], covariance[np.ix_(block, block)])
        gaps.append(wrong - right - mean_field_gap(mean, covariance, block))
    return [Check("P19", "mean-field gap, 8 blocks, max error", float(np.abs(gaps).max()), 0.0, 1e-7)]
