r"""P5, P6. MAP under the guided prior is guided regularisation; a protected unit is not a limit of small guidance.

**Proposition (P5).** Let unit $u$ have the prior density $e^{-r_u\Omega(w_u)}/Z_u$, $r_u=\lambda g_u$, and let
the data be $N$ independent terms with negative log likelihoods $\ell_n(w)$. Then
$$-\log p(D,w)=J(w)+\sum_u\log Z_u,\qquad J(w)=\sum_n\ell_n(w)+\sum_ur_u\Omega(w_u),$$
so joint MAP minimises $J$ exactly; and for a uniformly drawn subset $S$ of size $B$
$$J_S(w)=\tfrac NB\sum_{n\in S}\ell_n(w)+\sum_ur_u\Omega(w_u)$$
is unbiased for $J(w)$, as is its gradient, with variance $\frac{N^2}B(1-\frac BN)s^2$, $s^2$ the sample variance
($N-1$ in the denominator) of the $\ell_n$.

*Proof.* Take logarithms. For the second part every $n$ lies in $S$ with probability $B/N$; the variance is that
of the mean of a simple random sample without replacement. $\square$

The penalty is multiplied against the *sum* of the losses: minimising $\frac1N\sum\ell_n+l'\sum g\Omega$ is
$\lambda=Nl'$. The constants $\log Z_u$ matter as soon as $r$ is learned or models are compared.

**Proposition (P6).** Let the loss be $\frac h2\|w-a\|^2$ and $p(w)=e^{-r\|w\|}r^d/C_d$. As $r\to0$ the prior
survival $P(\|w\|>\tau)=Q(d,r\tau)\to1$, while the evidence for the unit falls to zero:
$$\log\frac{p(D\mid w\ \text{present})}{p(D\mid w=0)}
=d\log r-\log C_d+\tfrac d2\log\tfrac{2\pi}h+\tfrac h2\|a\|^2+O(r).$$

*Proof.* $Q(d,0)=1$. The evidence ratio is $\frac{r^d}{C_d}\int e^{-r\|w\|-\frac h2\|w-a\|^2}dw\;e^{\frac
h2\|a\|^2}$ and by dominated convergence the integral tends to $(2\pi/h)^{d/2}$. $\square$

The two readings of "$g=0$" contradict one another (Lindley, Bartlett), so $g_u=0$ is *defined* as protected:
present in every model. Then its improper flat density, $\equiv c$, multiplies the evidence of every model alike
and cancels from all posterior odds; the odds of the other units are those of a $N(0,s_0^2)$ prior as
$s_0\to\infty$.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from theory.arrays import FloatArray
from theory.checks import Check
from theory.densities import (
    gaussian_log_normalizer,
    group_laplace_log_normalizer,
    laplace_log_normalizer,
    log_sphere_area,
    norm_survival,
)
from theory.quadrature import integral
from theory.scalar_search import minimum


def objective(losses: FloatArray, penalties: FloatArray, batch: Sequence[int] | None = None) -> float:
    """J(w) in nats from the N losses (all, or those of a mini-batch scaled by N/B) and the unit penalties r Omega."""
    kept = losses if batch is None else losses[list(batch)]
    return float(len(losses) / len(kept) * kept.sum() + penalties.sum())


def minibatch_variance(losses: FloatArray, batch_size: int) -> float:
    """Variance of the mini-batch objective over uniformly drawn batches without replacement."""
    size = len(losses)
    return float(size**2 / batch_size * (1 - batch_size / size) * losses.var(ddof=1))


def strength_of_mean_loss(multiplier: float, dataset_size: int) -> float:
    """The strength lambda of a code that minimises mean loss + multiplier * penalty."""
    return dataset_size * multiplier


def small_rate_log_evidence_ratio(rate: ArrayLike, dim: int, curvature: float, norm: float) -> FloatArray:
    """log p(D | present) - log p(D | absent) in nats, to leading order in the rate, for loss h/2 ||w - a||^2."""
    occam = dim / 2 * np.log(2 * np.pi / curvature) - group_laplace_log_normalizer(rate, dim)
    return occam + curvature / 2 * norm**2


def protected_log_odds(
    design: FloatArray, target: FloatArray, column: int, noise: float, slab: float, protected: Sequence[int]
) -> float:
    """Log Bayes factor of one weight of a linear regression, flat priors on the protected weights.

    The flat directions are projected out; the rest is a one-weight N(0, slab^2) against 0.
    """
    basis = np.linalg.qr(design[:, list(protected)])[0]
    x = design[:, column] - basis @ (basis.T @ design[:, column])
    precision = x @ x / noise**2 + slab**-2
    return float(0.5 * (x @ target / noise**2) ** 2 / precision - 0.5 * np.log(precision * slab**2))


def _classification(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    inputs = rng.standard_normal((9, 12))
    return inputs, rng.integers(0, 2, size=9).astype(float)


def _log_joint(weights: FloatArray, rates: FloatArray, inputs: FloatArray, labels: FloatArray) -> float:
    """log p(D, w) through scipy.stats: three units, Laplace, Gaussian and group Laplace, of four weights each."""
    logits = inputs @ weights.ravel()
    likelihood = stats.bernoulli.logpmf(labels, 1 / (1 + np.exp(-logits))).sum()
    laplace = stats.laplace.logpdf(weights[0], scale=1 / rates[0]).sum()
    gaussian = stats.norm.logpdf(weights[1], scale=np.sqrt(0.5 / rates[1])).sum()
    norm = np.linalg.norm(weights[2])
    group = stats.gamma.logpdf(norm, 4, scale=1 / rates[2]) - log_sphere_area(4) - 3 * np.log(norm)
    return float(likelihood + laplace + gaussian + group)


def _losses(weights: FloatArray, inputs: FloatArray, labels: FloatArray) -> FloatArray:
    return np.logaddexp(0, (1 - 2 * labels) * (inputs @ weights.ravel()))


def _penalties(weights: FloatArray, rates: FloatArray) -> FloatArray:
    sizes = [np.abs(weights[0]).sum(), (weights[1] ** 2).sum(), np.linalg.norm(weights[2])]
    return rates * np.array(sizes)


def _constant_checks() -> list[Check]:
    rng = np.random.default_rng(7)
    inputs, labels = _classification(rng)
    rates = np.array([0.7, 1.6, 2.4])
    constant = float(laplace_log_normalizer(0.7, 4) + gaussian_log_normalizer(1.6, 4) + group_laplace_log_normalizer(2.4, 4))
    found: list[Check] = []
    for trial in range(4):
        weights = rng.standard_normal((3, 4))
        value = objective(_losses(weights, inputs, labels), _penalties(weights, rates))
        gap = -_log_joint(weights, rates, inputs, labels) - value
        found.append(Check("P5", f"-log joint - J = sum log Z, w {trial}", constant, gap, 1e-12))
    return found


def _minibatch_checks() -> list[Check]:
    rng = np.random.default_rng(8)
    inputs, labels = _classification(rng)
    rates, weights = np.array([0.7, 1.6, 2.4]), rng.standard_normal((3, 4))
    losses, penalties = _losses(weights, inputs, labels), _penalties(weights, rates)
    values = np.array([objective(losses, penalties, batch) for batch in combinations(range(9), 4)])
    shares = (1 / (1 + np.exp(-(inputs @ weights.ravel()))) - labels)[:, None] * inputs
    slopes = [9 / 4 * shares[list(batch)].sum(axis=0) for batch in combinations(range(9), 4)]
    gradient_error = np.abs(np.mean(slopes, axis=0) - shares.sum(axis=0)).max()
    return [
        Check("P5", "mean over all 126 batches of 4 of 9", objective(losses, penalties), values.mean(), 1e-12),
        Check("P5", "variance over all batches", minibatch_variance(losses, 4), values.var(), 1e-12),
        Check("P5", "mean batch gradient - gradient", 0.0, float(gradient_error), 1e-12),
    ]


def _mean_loss_check() -> Check:
    """Minimise mean + l' |w| numerically; the soft threshold of the summed loss gives the same weight."""
    targets = np.array([1.0, 1.4, 0.3, 2.2, 0.9])
    found, _ = minimum(lambda w: 0.5 * float(np.mean((w - targets) ** 2)) + 0.2 * abs(w), 0.0, 3.0)
    strength = strength_of_mean_loss(0.2, len(targets))
    summed = targets.mean() - strength / len(targets)
    return Check("P5", "mean loss: lambda = N l'", float(summed), found, 1e-7)


def _evidence_ratio(rate: float, curvature: float, norm: float) -> float:
    """Exact log evidence ratio in d = 3: the angular integral of the likelihood is sinh(x) / x."""

    def integrand(radius: float) -> float:
        inner = curvature * norm * radius
        angular = np.exp(-curvature / 2 * (radius - norm) ** 2) * -np.expm1(-2 * inner) / (2 * inner)
        return float(4 * np.pi * radius**2 * np.exp(-rate * radius) * angular)

    mass = integral(integrand, 1e-12, norm + 12 / np.sqrt(curvature))
    return float(np.log(mass) + curvature / 2 * norm**2 - group_laplace_log_normalizer(rate, 3))


def _protected_limit_checks() -> list[Check]:
    expansion = float(small_rate_log_evidence_ratio(1e-7, 3, 4.0, 1.5))
    return [
        Check("P6", "survival -> 1 as r -> 0", float(norm_survival(0.5, 1e-4, 3, 1)), 1.0, 1e-12),
        Check("P6", "evidence -> 0 like r^d, d=3", expansion, _evidence_ratio(1e-7, 4.0, 1.5), 1e-6),
    ]


def _protected_checks() -> list[Check]:
    rng = np.random.default_rng(9)
    design = rng.standard_normal((15, 4))
    target = design @ np.array([0.8, -0.5, 0.3, 0.0]) + 0.7 * rng.standard_normal(15)

    def log_evidence(columns: Sequence[int], widths: Sequence[float]) -> float:
        features = design[:, list(columns)] * np.array(widths)
        covariance = features @ features.T + 0.49 * np.eye(15)
        misfit = target @ np.linalg.solve(covariance, target)
        return -0.5 * float(misfit + np.linalg.slogdet(2 * np.pi * covariance)[1])

    wide = log_evidence((0, 1, 2), (1e3, 1e3, 1.2)) - log_evidence((0, 1), (1e3, 1e3))
    flat = protected_log_odds(design, target, 2, 0.7, 1.2, (0, 1))
    narrow_cost = log_evidence((0,), (1e3,)) - log_evidence((0,), (1e4,))
    return [
        Check("P6", "odds of another unit: N(0, s0^2) limit", flat, wide, 1e-5),
        Check("P6", "evidence of an unprotected flat unit falls as log s0", np.log(10.0), narrow_cost, 1e-6),
    ]


def checks() -> list[Check]:
    """The MAP constant, all mini-batches enumerated, and the small-rate limit by quadrature."""
    return [
        *_constant_checks(),
        *_minibatch_checks(),
        _mean_loss_check(),
        *_protected_limit_checks(),
        *_protected_checks(),
    ]
