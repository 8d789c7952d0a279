r"""P19. Linear regression under a spike and slab: the exact posterior over all $2^U$ models.

**Setting.** $y\sim N(Xw,\sigma^2I)$, $N$ cases. Units are blocks of $w$; $p(m)$ is any prior over masks, $w_u\sim
N(0,s_uI)$ if $m_u=1$ and $w_u=0$ otherwise.

**Proposition.** With $b=X_m^\top y/\sigma^2$, $\Lambda_m=X_m^\top X_m/\sigma^2+S_m^{-1}$,
$$\log p(y\mid m)=-\tfrac N2\log2\pi\sigma^2-\tfrac{\lVert y\rVert^2}{2\sigma^2}
  +\tfrac12\big(b^\top\Lambda_m^{-1}b-\log|\Lambda_m|-\log|S_m|\big),$$
$w_m\mid m,y\sim N(\Lambda_m^{-1}b,\Lambda_m^{-1})$, and the posterior of $w$ is the mixture of these with weights
$p(m\mid y)\propto p(m)p(y\mid m)$.

*Proof.* Complete the square in $\log N(y;X_mw,\sigma^2I)+\log N(w;0,S_m)$. $\square$

**Corollary** (independent weights). The best $q(w\mid m)=\prod_jN(\mu_j,v_j)$ for one model has the posterior's mean and
$v_j=1/(\Lambda_m)_{jj}$; its bound on $\log p(y\mid m)$ lies below by $\tfrac12(\sum_j\log(\Lambda_m)_{jj}-\log|\Lambda_m|)$.

*Proof.* The gap is $KL(q\,\|\,p(w\mid m,y))=\tfrac12(\mathrm{tr}\,\Lambda V-n-\log|\Lambda V|+\delta^\top\Lambda\delta)$ with
$\delta$ the difference of the means: least at $\delta=0$ and $v_j\Lambda_{jj}=1$, where the trace is $n$. $\square$

This is the weight-space form, batched over the models: absent weights get an identity block, which changes neither
determinant nor solution. `linear_gaussian.log_evidences` computes the same numbers in data space, from the $N\times
N$ covariance of $y$; the two share no matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from theory.arrays import BoolArray, FloatArray, log_sum_exp
from theory.checks import Check
from theory.enumeration import all_masks
from theory.linear_gaussian import log_evidences
from theory.monte_carlo import against_mean


@dataclass(frozen=True)
class LinearModels:
    """A regression, its units and its prior; every posterior quantity is exact.

    design: (cases, weights). target: (cases,). unit_of: (weights,), which unit owns each weight. prior_variance:
    (weights,), of the slab. log_prior: (2^U,) log p(m) in nats, in the order of `all_masks`.
    """

    design: FloatArray
    target: FloatArray
    unit_of: Sequence[int]
    prior_variance: FloatArray
    noise_variance: float
    log_prior: FloatArray

    @property
    def units(self) -> int:
        """Number of units."""
        return max(self.unit_of) + 1

    @cached_property
    def masks(self) -> BoolArray:
        """Every model, (2^U, U), the last unit changing fastest."""
        return all_masks(self.units)

    @cached_property
    def log_evidences(self) -> FloatArray:
        """log p(y | m) of every model in nats, (2^U,)."""
        information = self.design.T @ self.target / self.noise_variance
        factors = np.linalg.cholesky(self._precisions)
        half = np.linalg.solve(factors, (self._weights_present * information)[:, :, None])[:, :, 0]
        log_dets = 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        slab = self._weights_present @ np.log(self.prior_variance)
        noise = len(self.target) * np.log(2 * np.pi * self.noise_variance) + self.target @ self.target / self.noise_variance
        return 0.5 * ((half**2).sum(axis=1) - log_dets - slab - noise)

    @cached_property
    def mean_field_bounds(self) -> FloatArray:
        """The best bound on log p(y | m) by independent weights, of every model, nats, (2^U,)."""
        diagonal = np.log(np.diagonal(self._precisions, axis1=1, axis2=2)).sum(axis=1)
        return self.log_evidences - 0.5 * (diagonal - np.linalg.slogdet(self._precisions)[1])

    @cached_property
    def log_posterior(self) -> FloatArray:
        """log p(m | y) in nats, (2^U,)."""
        log_joint = self.log_prior + self.log_evidences
        return log_joint - log_sum_exp(log_joint)

    @property
    def log_evidence(self) -> float:
        """log p(y) in nats, models summed out."""
        return float(log_sum_exp(self.log_prior + self.log_evidences))

    def inclusion(self) -> FloatArray:
        """P(m_u = 1 | y), (U,)."""
        return np.exp(self.log_posterior) @ self.masks

    def width_pmf(self) -> FloatArray:
        """P(K = k | y), (U + 1,)."""
        return np.asarray(np.bincount(self.masks.sum(axis=1), np.exp(self.log_posterior), self.units + 1), dtype=np.float64)

    def posterior_of(self, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(mean, covariance) of all weights given the model; zero where a unit is absent."""
        means, covariances = self._moments(mask[None])
        return means[0], covariances[0]

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """(mean, covariance) of all weights, the models averaged."""
        means, covariances = self._moments(self.masks)
        weights = np.exp(self.log_posterior)
        mean = weights @ means
        spread = means - mean
        return mean, np.einsum("m,mij->ij", weights, covariances) + spread.T @ (weights[:, None] * spread)

    def survival_beyond(self, threshold: float) -> FloatArray:
        """P(|w_u| > threshold | y), (U,), for units of one weight; the models averaged.

        Raises: ValueError: if a unit has several weights.
        """
        if len(self.unit_of) != self.units:
            raise ValueError("the tail of a norm of several weights is in tail_probability.py")
        means, covariances = self._moments(self.masks)
        sd = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        sd = np.where(sd > 0, sd, 1.0)
        beyond = norm.sf((threshold - means) / sd) + norm.cdf((-threshold - means) / sd)
        return np.exp(self.log_posterior) @ np.where(self._weights_present, beyond, 0.0)[:, np.argsort(self.unit_of)]

    @cached_property
    def _weights_present(self) -> BoolArray:
        return self.masks[:, list(self.unit_of)]

    @cached_property
    def _precisions(self) -> FloatArray:
        """Posterior precision of every model (2^U, weights, weights), identity for absent weights."""
        full = self.design.T @ self.design / self.noise_variance + np.diag(1 / self.prior_variance)
        present = self._weights_present
        both = present[:, :, None] & present[:, None, :]
        return np.where(both, full, np.eye(len(full)))

    def _moments(self, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Means (models, weights) and covariances (models, weights, weights)."""
        places = 2 ** np.arange(self.units - 1, -1, -1)
        which = masks @ places
        present = self._weights_present[which]
        both = present[:, :, None] & present[:, None, :]
        covariances = np.where(both, np.linalg.inv(self._precisions[which]), 0.0)
        return covariances @ (self.design.T @ self.target) / self.noise_variance, covariances


def independent_log_prior(log_odds: FloatArray) -> FloatArray:
    """log p(m) of independent units with these log odds (U,), (2^U,) nats."""
    return all_masks(len(log_odds)) @ log_odds - np.logaddexp(0, log_odds).sum()


def nested_log_prior(width_pmf: FloatArray) -> FloatArray:
    """log p(m) when the first K units are present and K has this law (U + 1,); -inf for other masks. (2^U,) nats."""
    masks = all_masks(len(width_pmf) - 1)
    widths = masks.sum(axis=1)
    nested = (masks == (np.arange(masks.shape[1]) < widths[:, None])).all(axis=1)
    with np.errstate(divide="ignore"):
        return np.where(nested, np.log(width_pmf)[widths], -np.inf)


def checks() -> list[Check]:
    """Both forms of the evidence, and the posterior by simulation of the generative process."""
    rng = np.random.default_rng(6)
    design = rng.normal(size=(40, 10)) + 2.0 * rng.normal(size=(40, 1))
    design[:, 1] = design[:, 0] + 0.05 * rng.normal(size=40)
    target = design @ (rng.normal(size=10) * (np.arange(10) % 3 == 0)) + 0.7 * rng.normal(size=40)
    variance = np.linspace(0.4, 2.0, 10)
    regression = LinearModels(design, target, range(10), variance, 0.49, independent_log_prior(np.linspace(1, -1, 10)))
    data_space = log_evidences(design, target, [[u] for u in range(10)], variance, 0.49)
    return [
        Check("P19", "evidence of 1,024 models, max error", np.abs(regression.log_evidences - data_space).max(), 0.0, 1e-9),
        Check("P19", "mean-field bound of the full model", regression.mean_field_bounds[-1], _full_bound(regression), 1e-9),
        *_simulated_checks(),
    ]


def _full_bound(regression: LinearModels) -> float:
    """E_q log p(y, w) + H(q) at the mean-field optimum of the model with all units, term by term."""
    mean, covariance = regression.posterior_of(np.ones(regression.units, dtype=bool))
    variance = 1 / np.diagonal(np.linalg.inv(covariance))
    residual = ((regression.target - regression.design @ mean) ** 2).sum() + (regression.design**2 @ variance).sum()
    noise, slab = regression.noise_variance, regression.prior_variance
    likelihood = -0.5 * (len(regression.target) * np.log(2 * np.pi * noise) + residual / noise)
    prior = -0.5 * (np.log(2 * np.pi * slab) + (mean**2 + variance) / slab).sum()
    return float(likelihood + prior + 0.5 * np.log(2 * np.pi * np.e * variance).sum())


def _simulated_checks() -> list[Check]:
    """Importance sampling from the prior: three cases, two units, the second of two weights."""
    rng = np.random.default_rng(7)
    design, target = rng.normal(size=(3, 3)), np.array([0.7, -1.1, 0.4])
    unit_of, variance, odds = [0, 1, 1], np.array([0.8, 1.5, 1.5]), np.array([0.3, -0.5])
    exact = LinearModels(design, target, unit_of, variance, 0.5, independent_log_prior(odds))
    masks = rng.random((400_000, 2)) < expit(odds)
    weights = masks[:, unit_of] * rng.normal(size=(400_000, 3)) * variance**0.5
    log_likelihood = -((target - weights @ design.T) ** 2).sum(axis=1) - 1.5 * np.log(np.pi)
    importance = np.exp(log_likelihood - exact.log_evidence)
    mean, covariance = exact.posterior()
    product = weights[:, 0] * weights[:, 2]
    return [
        against_mean("P19", "evidence, models summed out", 1.0, importance),
        against_mean("P19", "inclusion of the second unit", exact.inclusion()[1], importance * masks[:, 1]),
        against_mean("P19", "P(K = 1 | y)", exact.width_pmf()[1], importance * (masks.sum(axis=1) == 1)),
        against_mean("P19", "posterior mean of a weight", mean[1], importance * weights[:, 1]),
        against_mean("P19", "E w_1 w_3", covariance[0, 2] + mean[0] * mean[2], importance * product),
        _survival_check(),
    ]


def _survival_check() -> Check:
    design, target = np.array([[1.0, 0.6], [0.2, -1.0]]), np.array([0.9, 0.1])
    exact = LinearModels(design, target, [0, 1], np.array([1.0, 0.5]), 0.25, independent_log_prior(np.array([0.2, -0.4])))
    rng = np.random.default_rng(8)
    masks = rng.random((400_000, 2)) < expit(np.array([0.2, -0.4]))
    weights = masks * rng.normal(size=masks.shape) * np.array([1.0, 0.5]) ** 0.5
    log_likelihood = -2 * ((target - weights @ design.T) ** 2).sum(axis=1) - np.log(2 * np.pi * 0.25)
    beyond = np.exp(log_likelihood - exact.log_evidence) * (np.abs(weights[:, 0]) > 0.3)
    return against_mean("P20", "P(|w_1| > 0.3 | y), models averaged", exact.survival_beyond(0.3)[0], beyond)
