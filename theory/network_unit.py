r"""P19 (networks). Removing a unit of a network: by its outgoing weight, and averaged over its roles.

**Setting.** $y_n\sim N(f(x_n),\sigma^2)$, $f(x)=\sum_{u=1}^2b_u\tanh(a_ux)$, all weights $N(0,1)$ a priori.

**Proposition.**
1. $\frac{p(D\mid b_1=0)}{p(D)}=\frac{p(b_1=0\mid D)}{p(b_1=0)}=\frac{p(a_1=0,b_1=0\mid D)}{p(a_1=0,b_1=0)}$:
   for the exact posterior it does not matter whether a unit is removed by $b_1$ or by the pair.
2. Let the prior be exchangeable over units and $R=\{a_1>a_2\}$ one of the two ways to give the roles to the
   slots. Then the Bayes factor of removing *slot* 1 is the mean over roles of the local ones,
   $$\mathrm{BF}_{01}=\frac12\Big[\frac{p(b_1=0\mid D,R)}{p(b_1=0)}+\frac{p(b_2=0\mid D,R)}{p(b_2=0)}\Big].$$

*Proof.* (1) Bayes at the point: the first ratio is $p(D\mid b_1=0)/p(D)$, the second
$p(D\mid a_1=0,b_1=0)/p(D)$, and the likelihood at $b_1=0$ does not depend on $a_1$. (2) $R$ and its mirror image
have posterior mass $\frac12$ each by exchangeability, and $p(b_1=0\mid D,R^c)=p(b_2=0\mid D,R)$ by swapping the
units. $\square$

So a fit that sits in one mode must be averaged over roles before its unit evidence is that of a slot, and a
Gaussian approximation, for which the two ratios of (1) differ, should be read at $b=0$ only.

Given $a$ the model is a Gaussian regression in $b$, so everything is a sum over a grid of $(a_1,a_2)$.
"""

import numpy as np

from theory.arrays import FloatArray, log_sum_exp
from theory.checks import Check
from theory.linear_gaussian import log_normal_at_zero, posterior

GRID = np.linspace(-5.0, 5.0, 81)
NOISE_VARIANCE = 0.25


def _data() -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(9)
    inputs = np.linspace(-2, 2, 12)
    return inputs, 0.9 * np.tanh(1.5 * inputs) + 0.5 * rng.normal(size=12)


def _log_evidence(first: float, second: float, inputs: FloatArray, target: FloatArray) -> float:
    """log p(y | a_1, a_2) in nats, the outgoing weights integrated out."""
    features = np.tanh(np.outer(inputs, [first, second]))
    return log_normal_at_zero(target, NOISE_VARIANCE * np.eye(len(target)) + features @ features.T)


def _log_density_of_outgoing_at_zero(first: float, second: float, inputs: FloatArray, target: FloatArray) -> FloatArray:
    """log p(b_u = 0 | y, a_1, a_2) for u = 1, 2, shape (2,)."""
    features = np.tanh(np.outer(inputs, [first, second]))
    mean, covariance = posterior(features, target, np.ones(2), NOISE_VARIANCE)
    return np.array([log_normal_at_zero(mean[u : u + 1], covariance[u : u + 1, u : u + 1]) for u in range(2)])


def checks() -> list[Check]:
    """The slot's Bayes factor from evidences, from the marginal, from the pair, and from the roles."""
    inputs, target = _data()
    pairs = [(a, b) for a in GRID for b in GRID]
    log_prior = np.array([-(a * a + b * b) / 2 for a, b in pairs]) + 2 * np.log(GRID[1] - GRID[0]) - np.log(2 * np.pi)
    log_joint = log_prior + np.array([_log_evidence(a, b, inputs, target) for a, b in pairs])
    at_zero = np.array([_log_density_of_outgoing_at_zero(a, b, inputs, target) for a, b in pairs])
    log_total = float(log_sum_exp(log_joint))
    alone = [-(a * a) / 2 - 0.5 * np.log(2 * np.pi) + _log_evidence(0.0, a, inputs, target) for a in GRID]
    removed = float(log_sum_exp(np.array(alone) + np.log(GRID[1] - GRID[0])))
    log_slab = -0.5 * np.log(2 * np.pi)
    marginal = float(log_sum_exp(log_joint + at_zero[:, 0])) - log_total - log_slab
    return [
        Check("P19", "slot removed by b=0", marginal, removed - log_total, 1e-5),
        Check("P19", "slot removed by (a,b)=0", _pair_ratio(log_joint, at_zero) - log_total, removed - log_total, 1e-5),
        Check("P19", "mean over roles", _role_mean(log_joint, at_zero, pairs) - log_slab, removed - log_total, 1e-5),
    ]


def _pair_ratio(log_joint: FloatArray, at_zero: FloatArray) -> float:
    """log of p(a_1 = 0, b_1 = 0, D) over the prior density at that point."""
    middle = len(GRID) // 2
    rows = slice(middle * len(GRID), (middle + 1) * len(GRID))
    step = np.log(GRID[1] - GRID[0])
    return float(log_sum_exp((log_joint + at_zero[:, 0])[rows])) - step + np.log(2 * np.pi)


def _role_mean(log_joint: FloatArray, at_zero: FloatArray, pairs: list[tuple[float, float]]) -> float:
    """log of the mean over u of p(b_u = 0 | D, a_1 > a_2); a_1 = a_2 counts by half."""
    in_region = np.array([0.5 + 0.5 * np.sign(a - b) for a, b in pairs])
    with np.errstate(divide="ignore"):
        log_weights = log_joint + np.log(in_region)
    local = log_sum_exp(log_weights[:, None] + at_zero, axis=0) - log_sum_exp(log_weights)
    return float(log_sum_exp(local) - np.log(2))
