r"""P1. The homogeneity lemma: what every guided prior has in common.

**Proposition.** Let $\phi\ge 0$ on $\mathbb R^d$ be continuous, $\phi>0$ off $0$, and positively
homogeneous of degree $k>0$: $\phi(cw)=c^k\phi(w)$ for $c>0$. Let $V=\mathrm{vol}\{\phi\le 1\}$. Then

1. $Z(r)=\int e^{-r\phi}=V\,\Gamma(1+d/k)\,r^{-d/k}<\infty$;
2. under $p=e^{-r\phi}/Z(r)$, $r\phi(w)\sim\mathrm{Gamma}(d/k,1)$, independent of the shape
   $w/\phi(w)^{1/k}$;
3. the prior mean of $r\phi$ is $d/k$ and the entropy of $p$ is $\log Z(r)+d/k$, whatever the guidance;
4. $\mathrm{KL}(p_{r_1}\|p_{r_2})=\frac dk\left(\log\frac{r_1}{r_2}+\frac{r_2}{r_1}-1\right)$;
5. given $w$, the likelihood of $r$ is maximal at $(d/k)/\phi(w)$, and
   $r\sim\mathrm{Gamma}(a,b)$ gives $r\mid w\sim\mathrm{Gamma}(a+d/k,\,b+\phi(w))$.

*Proof.* $\{\phi\le 1\}$ is bounded ($\phi$ has a positive minimum on the unit sphere), so $V<\infty$, and
$\{\phi\le t\}=t^{1/k}\{\phi\le 1\}$ has volume $V t^{d/k}$. Hence the image of Lebesgue measure under
$\phi$ has density $V(d/k)t^{d/k-1}$, and integrating $e^{-rt}$ against it gives (1). The same density times
$e^{-rt}$ is that of a Gamma; a set of shapes $A$ has $\mathrm{vol}\{\phi\le t,\ \mathrm{shape}\in
A\}=t^{d/k}\, \mathrm{vol}\{\phi\le 1,\ \mathrm{shape}\in A\}$, a product, which is the independence in (2).
(3): the mean of a Gamma, and $-\log p=\log Z+r\phi$. (4): $E_{r_1}[\log p_{r_1}-\log
p_{r_2}]=\log\frac{Z(r_2)}{Z(r_1)} +(r_2-r_1)E_{r_1}\phi$ with $E_{r_1}\phi=(d/k)/r_1$. (5): as a function
of $r$ the density is $r^{d/k}e^{-r\phi(w)}$. $\square$

The $\phi$ of this folder: L1, L2 norm, sparse group and every overlapping sum of norms ($k=1$), squared L2
($k=2$), group $L_{1/2}$ ($k=1/2$).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import dblquad
from scipy.special import gammaincc, gammaln

from theory.arrays import FloatArray
from theory.checks import Check
from theory.monte_carlo import against_mean
from theory.quadrature import integral


def log_normalizer(rate: ArrayLike, dim: int, degree: float, unit_ball_volume: float) -> FloatArray:
    """log Z in nats, from the volume of {phi <= 1}."""
    order = dim / degree
    return np.log(unit_ball_volume) + gammaln(1 + order) - order * np.log(rate)


def mean_penalty(dim: int, degree: float) -> float:
    """Prior mean of rate * phi(w), in nats: it depends on neither the rate nor the guidance."""
    return dim / degree


def entropy(log_normalizer: ArrayLike, dim: int, degree: float) -> FloatArray:
    """Differential entropy of the density in nats."""
    return np.asarray(log_normalizer) + dim / degree


def kl_divergence(rate: ArrayLike, other_rate: ArrayLike, dim: int, degree: float) -> FloatArray:
    """KL(p_rate || p_other_rate) in nats, both of one family."""
    ratio = np.asarray(other_rate) / np.asarray(rate)
    return dim / degree * (ratio - 1 - np.log(ratio))


def penalty_survival(threshold: ArrayLike, rate: ArrayLike, dim: int, degree: float) -> FloatArray:
    """P(phi(w) > threshold) under the prior."""
    return gammaincc(dim / degree, np.asarray(rate) * np.asarray(threshold))


def rate_mle(penalty: ArrayLike, dim: int, degree: float) -> FloatArray:
    """The rate at which the density of the given weights, phi(w) = penalty, is highest."""
    return dim / degree / np.asarray(penalty)


def rate_posterior(shape: float, inverse_scale: float, penalty: float, dim: int, degree: float) -> tuple[float, float]:
    """(shape, inverse scale) of the Gamma posterior of the rate given weights with phi(w) = penalty."""
    return shape + dim / degree, inverse_scale + penalty


def _overlapping(x: float, y: float) -> float:
    """An overlapping sum of norms in the plane, of degree 1: ||(x, y)|| + |y| / 2."""
    return float(np.hypot(x, y) + 0.5 * abs(y))


def _plane_volume() -> float:
    """Area of {phi <= 1} for any power of this phi, from the radius in each direction."""
    return 4 * integral(lambda angle: 0.5 * _overlapping(np.cos(angle), np.sin(angle)) ** -2.0, 0, np.pi / 2)


def _normalizer_check(degree: float) -> Check:
    value = log_normalizer(1.3, 2, degree, _plane_volume())
    mass = dblquad(lambda y, x: np.exp(-1.3 * _overlapping(x, y) ** degree), 0, 60, 0, 60, epsabs=1e-11)[0]
    return Check("P1", f"log Z of a {degree:g}-homogeneous phi", float(value), float(np.log(4 * mass)), 1e-8)


def _sparse_group_rejection(rng: np.random.Generator, proposals: int) -> FloatArray:
    """Draws, in dimension 4, from exp(-0.8 ||w||_1 - 1.5 ||w||_2): Laplace proposals thinned by the norm."""
    weights = rng.laplace(scale=1 / 0.8, size=(proposals, 4))
    return weights[rng.random(proposals) < np.exp(-1.5 * np.linalg.norm(weights, axis=1))]


def _sampling_checks() -> list[Check]:
    weights = _sparse_group_rejection(np.random.default_rng(1), 2_000_000)
    total = np.abs(weights).sum(axis=1)
    penalty = 0.8 * total + 1.5 * np.linalg.norm(weights, axis=1)
    shape = np.abs(weights[:, 0]) / total
    survival = penalty_survival(5.0, 1.0, 4, 1)
    return [
        against_mean("P1", "mean penalty = d", mean_penalty(4, 1), penalty),
        Check("P1", "mean penalty, notes' Monte Carlo", mean_penalty(4, 1), 3.995, 0.02),
        against_mean("P1", "P(penalty > 5), d=4", survival, (penalty > 5.0).astype(float)),
        against_mean("P1", "cov(penalty, shape) = 0", 0.0, (penalty - 4) * (shape - shape.mean())),
    ]


def _divergence_checks() -> list[Check]:
    def density(x: float, rate: float) -> float:
        return float(np.exp(-rate * x * x) * np.sqrt(rate / np.pi))

    def integrand(x: float) -> float:
        return density(x, 1.2) * (0.5 * np.log(1.2 / 0.5) - (1.2 - 0.5) * x * x)

    information = integral(lambda x: -density(x, 1.2) * np.log(density(x, 1.2)), -12, 12)
    divergence = integral(integrand, -12, 12)
    return [
        Check("P1", "entropy, k=2, d=1", float(entropy(0.5 * np.log(np.pi / 1.2), 1, 2)), information, 1e-9),
        Check("P1", "KL, k=2, d=1", float(kl_divergence(1.2, 0.5, 1, 2)), divergence, 1e-9),
    ]


def _rate_checks() -> list[Check]:
    grid = np.linspace(0.01, 12.0, 400_001)
    log_likelihood = 4 * np.log(grid) - 2.5 * grid
    unnormalized = np.exp(log_likelihood + np.log(grid) - 0.7 * grid)
    shape, inverse_scale = rate_posterior(2.0, 0.7, 2.5, 4, 1)
    numeric_mean = float((grid * unnormalized).sum() / unnormalized.sum())
    return [
        Check("P1", "rate MLE, d=4", float(rate_mle(2.5, 4, 1)), float(grid[log_likelihood.argmax()]), 3e-5),
        Check("P1", "posterior mean rate", shape / inverse_scale, numeric_mean, 1e-6),
    ]


def checks() -> list[Check]:
    """Normalisers by cubature, the Gamma law by rejection sampling, divergences by quadrature."""
    return [
        _normalizer_check(1.0),
        _normalizer_check(2.0),
        *_sampling_checks(),
        *_divergence_checks(),
        *_rate_checks(),
    ]
