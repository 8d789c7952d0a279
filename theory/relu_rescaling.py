r"""P25. Rescaling in ReLU and normalised networks: what a penalty on one side of a unit can and cannot mean.

A ReLU unit computes $b\,(a^\top x)_+$, unchanged under $(a,b)\to(ca,b/c)$, $c>0$ (likewise a row followed by a
norm layer, $f(ca)=f(a)$). So the network chooses $c$ to minimise the penalty.

**Proposition.** For $\alpha,\beta,p,q>0$
$$\min_{c>0}\ \alpha c^p+\beta c^{-q}=(p+q)\Big(\frac\alpha q\Big)^{q/(p+q)}\Big(\frac\beta p\Big)^{p/(p+q)},
\qquad c^{p+q}=\frac{q\beta}{p\alpha}.$$

*Proof.* Weighted arithmetic-geometric mean with weights $\frac q{p+q}$ on $\frac{(p+q)\alpha c^p}{q}$ and
$\frac p{p+q}$ on $\frac{(p+q)\beta c^{-q}}p$: the powers of $c$ cancel; equality iff the two are equal. $\square$

**Consequences**, with $s=\|a\||b|$ the invariant size of the unit:

1. One-sided, $\beta=0$: the infimum is $0$, approached as $c\to0$ and never attained. The penalty is vacuous as a
   statement about functions: it has no minimiser, and its strength means nothing.
2. $\lambda(g_{in}\|a\|^2+g_{out}b^2)$: $2\lambda\sqrt{g_{in}g_{out}}\,s$, a group lasso on the invariant size,
   with the geometric mean of the guidances. A scalar unit fitting $\frac h2(ab-y)^2$ is soft thresholded at
   $2\lambda\sqrt{g_{in}g_{out}}/h$.
3. norm + norm: $2\sqrt{r_{in}r_{out}}\,s^{1/2}$, an $L_{1/2}$ penalty.
4. norm + squared: $3\,(r_{in}/2)^{2/3}r_{out}^{1/3}\,s^{2/3}$.
"""

import numpy as np
from scipy.optimize import minimize

from theory.arrays import FloatArray
from theory.checks import Check
from theory.scalar_search import minimum


def balanced_penalty(alpha: float, beta: float, p: float, q: float) -> float:
    """min over c > 0 of alpha c^p + beta c^-q, in the units of the penalty (nats)."""
    total = p + q
    return total * (alpha / q) ** (q / total) * (beta / p) ** (p / total)


def balancing_scale(alpha: float, beta: float, p: float, q: float) -> float:
    """The c that attains it."""
    return (q * beta / (p * alpha)) ** (1 / (p + q))


def two_sided_ridge_penalty(size: float, rate_in: float, rate_out: float) -> float:
    """Penalty of a unit of invariant size ||a|| |b| under rate_in ||a||^2 + rate_out b^2."""
    return 2 * np.sqrt(rate_in * rate_out) * size


def two_sided_norm_penalty(size: float, rate_in: float, rate_out: float) -> float:
    """The same under rate_in ||a|| + rate_out |b|."""
    return 2 * np.sqrt(rate_in * rate_out * size)


def norm_and_ridge_penalty(size: float, rate_in: float, rate_out: float) -> float:
    """The same under rate_in ||a|| + rate_out b^2."""
    return balanced_penalty(rate_in, rate_out, 1, 2) * size ** (2 / 3)


def _network(inner: FloatArray, outer: FloatArray, inputs: FloatArray) -> FloatArray:
    return np.maximum(inputs @ inner.T, 0.0) @ outer


def _minimum_checks() -> list[Check]:
    found: list[Check] = []
    for alpha, beta, p, q in ((1, 1, 1, 1), (0.3, 2, 1, 2), (5, 0.1, 2, 2), (1.7, 0.9, 2, 1), (0.2, 3, 0.5, 3)):

        def along(u: float, alpha: float = alpha, beta: float = beta, p: float = p, q: float = q) -> float:
            return float(alpha * np.exp(p * u) + beta * np.exp(-q * u))

        log_scale, value = minimum(along, -8.0, 8.0)
        case = f"p={p:g}, q={q:g}"
        found += [
            Check("P25", f"minimum over rescalings, {case}", balanced_penalty(alpha, beta, p, q), value, 1e-12),
            Check("P25", f"balancing scale, {case}", balancing_scale(alpha, beta, p, q), float(np.exp(log_scale)), 1e-6),
        ]
    return found


def _penalty_checks() -> list[Check]:
    """||a|| = 1.4, |b| = 0.6: each two-sided penalty minimised over c, and the invariance of the function."""
    size = 1.4 * 0.6
    _, ridge = minimum(lambda u: 0.8 * 1.96 * np.exp(2 * u) + 0.3 * 0.36 * np.exp(-2 * u), -5, 5)
    _, norm = minimum(lambda u: 0.8 * 1.4 * np.exp(u) + 0.3 * 0.6 * np.exp(-u), -5, 5)
    _, mixed = minimum(lambda u: 0.8 * 1.4 * np.exp(u) + 0.3 * 0.36 * np.exp(-2 * u), -5, 5)
    return [
        Check("P25", "L2 + L2: group lasso on ||a|| |b|", two_sided_ridge_penalty(size, 0.8, 0.3), ridge, 1e-12),
        Check("P25", "norm + norm: L1/2", two_sided_norm_penalty(size, 0.8, 0.3), norm, 1e-12),
        Check("P25", "norm + L2: exponent 2/3", norm_and_ridge_penalty(size, 0.8, 0.3), mixed, 1e-12),
    ]


def _soft_threshold_check() -> Check:
    """h = 2, y = 1.3: the joint minimum over (a, b), by descent, against the soft threshold of the product."""

    def joint(pair: FloatArray) -> float:
        return float((pair[0] * pair[1] - 1.3) ** 2 + 0.5 * (0.8 * pair[0] ** 2 + 0.3 * pair[1] ** 2))

    found = minimize(joint, np.array([1.0, 1.0]), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-15})
    product = 1.3 - float(two_sided_ridge_penalty(1.0, 0.4, 0.15)) / 2
    return Check("P25", "scalar unit: product is soft thresholded", product, float(found.x[0] * found.x[1]), 1e-6)


def _one_sided_checks() -> list[Check]:
    rng = np.random.default_rng(21)
    inner, outer, inputs = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((9, 3))
    scaled = _network(1e-6 * inner, outer / 1e-6, inputs)
    before, after = np.linalg.norm(inner, axis=1).sum(), np.linalg.norm(1e-6 * inner, axis=1).sum()
    return [
        Check(
            "P25",
            "one-sided: the function is unchanged",
            float(np.abs(scaled - _network(inner, outer, inputs)).max()),
            0.0,
            1e-12,
        ),
        Check("P25", "one-sided: the penalty goes to 0", float(after / before), 1e-6, 1e-15),
    ]


def checks() -> list[Check]:
    """The minimum over rescalings by search, the soft threshold by descent in both weights."""
    return [*_minimum_checks(), *_penalty_checks(), _soft_threshold_check(), *_one_sided_checks()]
