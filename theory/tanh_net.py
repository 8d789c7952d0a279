r"""P19 (networks). A tanh network of a few units: the evidence of every sub-architecture, and what a role's evidence says.

**Setting.** $y_n\sim N(f(x_n),\sigma^2)$, $f(x)=\sum_{u\le U}b_u\tanh(a_ux)$, one input. Model $m$ has $a_u\sim
N(0,s_u)$ where $m_u=1$ and $a_u=0$ elsewhere; $b_u\sim N(0,t)$ always. An absent unit's $b_u$ says nothing.

**Proposition.**
1. Given $a$, $b$ is a Gaussian regression, so $\ell(a)=\log p(y\mid a)$ is closed form in the Gram matrix of the
   features $\tanh(a_ux)$. It is even in every $a_u$, and $p(y\mid m)=\int e^{\ell(a)}\prod_{m_u=1}N(a_u;0,s_u)da_u$
   with $a_u=0$ elsewhere: one table of $\ell$ on a grid that contains $0$ holds all $2^U$ evidences.
2. *(Roles.)* With all $s_u$ equal and $R=\{|a_1|>|a_2|>\dots\}$, one of the $U!$ ways to give the roles to the
   slots, the Bayes factor of removing a *slot* is the mean over roles of the local ones,
   $$\mathrm{BF}_{01}=\frac{p(D\mid m\text{ without }u)}{p(D\mid\text{all})}
     =\frac1U\sum_{v=1}^U\frac{p(b_v=0\mid D,R)}{p(b_v=0)}.$$
   The mean of the logarithms is smaller (Jensen), and a single role may say anything.

*Proof.* (1) Integrate $b$ as in `linear_models`; $a_u\to-a_u$, $b_u\to-b_u$ leaves $f$ alone; $\tanh0=0$. (2) As in
`network_unit`: $p(D\mid b_u=0)/p(D)$ is the average of $p(b_u=0\mid D,\cdot)/p(b_u=0)$ over the $U!$ regions, which
have equal mass by exchangeability, and in them slot $u$ holds each role equally often. At $b_u=0$ the likelihood does
not depend on $a_u$, so that $p(D\mid b_u=0)$ is the evidence without the unit. $\square$

**Accuracy.** The integrand is analytic near the real line and falls as the prior does, so the trapezoid rule converges
exponentially: at steps of 0.1 to 6.5 prior standard deviations, halving the step changes no evidence of the example by
more than $2\cdot10^{-6}$ nats. The sharper the data speak, the finer the step has to be. The
region $R$ has a boundary: the roles' numbers are good to the square of the step only, about 0.003 nats; their mean is
as exact as the evidences.

*Printed* (the notes' numbers $-.864$, $-1.231$, $-.175$ belong to data that are not given): for three exchangeable units
and the example's data the slot's log Bayes factor is $-0.288$; the roles say $-1.67$, $+0.11$, $-0.06$, whose mean is
$-0.54$.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np

from theory.arrays import BoolArray, FloatArray, log_sum_exp
from theory.checks import Check
from theory.enumeration import all_masks
from theory.monte_carlo import against_mean

REACH = 6.5  # prior standard deviations; the rest weighs 1e-10


@dataclass(frozen=True)
class TanhNet:
    """The network with data and prior; evidences are exact to about 1e-6 nats.

    inputs, target: (cases,). incoming_variance: (U,), of the a_u. outgoing_variance: of every b_u. log_prior: (2^U,) log
    p(m) in nats, in the order of `all_masks`.
    """

    inputs: FloatArray
    target: FloatArray
    incoming_variance: FloatArray
    outgoing_variance: float
    noise_variance: float
    log_prior: FloatArray
    step: float = 0.1

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.incoming_variance)

    @cached_property
    def log_evidences(self) -> FloatArray:
        """log p(y | m) in nats, (2^U,)."""
        return np.array([self._log_evidence(mask) for mask in all_masks(self.units)])

    @cached_property
    def log_posterior(self) -> FloatArray:
        """log p(m | y) in nats, (2^U,)."""
        log_joint = self.log_prior + self.log_evidences
        return log_joint - log_sum_exp(log_joint)

    def inclusion(self) -> FloatArray:
        """P(m_u = 1 | y), (U,)."""
        return np.exp(self.log_posterior) @ all_masks(self.units)

    def incoming_squares(self) -> FloatArray:
        """E[a_u^2 | y] under the model with all units, (U,)."""
        log_joint = self._log_likelihood + self._log_weights(np.ones(self.units, dtype=bool))
        weights = np.exp(log_joint - log_sum_exp(log_joint))
        others = [tuple(v for v in range(self.units) if v != u) for u in range(self.units)]
        return np.array([weights.sum(axis=axes) @ self._grid**2 for axes in others])

    def role_log_bayes_factors(self) -> FloatArray:
        """log p(b_v = 0 | y, R) - log p(b_v = 0) in nats for the unit of the v-th largest |a|, (U,), all units present.

        Raises: ValueError: unless the units are exchangeable.
        """
        if np.ptp(self.incoming_variance) > 0:
            raise ValueError("the roles of units under different priors are not exchangeable")
        log_joint = self._log_likelihood + self._log_weights(np.ones(self.units, dtype=bool)) + self._log_region()
        log_slab = -0.5 * np.log(2 * np.pi * self.outgoing_variance)
        mean, variance = self._outgoing
        at_zero = -0.5 * (mean**2 / variance + np.log(2 * np.pi * variance))
        total = log_sum_exp(log_joint)
        return np.array([float(log_sum_exp(log_joint + at_zero[..., v]) - total) - log_slab for v in range(self.units)])

    @cached_property
    def _grid(self) -> FloatArray:
        """Nodes of a_u >= 0; the first is 0."""
        return np.arange(0.0, REACH * float(self.incoming_variance.max()) ** 0.5 + self.step, self.step)

    @cached_property
    def _features(self) -> FloatArray:
        return np.tanh(np.outer(self._grid, self.inputs))

    @cached_property
    def _precisions(self) -> FloatArray:
        """Precision of b given a, (nodes, ..., nodes, U, U)."""
        gram = self._features @ self._features.T / self.noise_variance
        nodes = np.indices((len(self._grid),) * self.units)
        pairs = gram[nodes[:, None], nodes[None, :]]
        return np.moveaxis(pairs, (0, 1), (-2, -1)) + np.eye(self.units) / self.outgoing_variance

    @cached_property
    def _information(self) -> FloatArray:
        linear = self._features @ self.target / self.noise_variance
        return np.moveaxis(linear[np.indices((len(self._grid),) * self.units)], 0, -1)

    @cached_property
    def _log_likelihood(self) -> FloatArray:
        """log p(y | a), (nodes, ..., nodes)."""
        factors = np.linalg.cholesky(self._precisions)
        half = np.linalg.solve(factors, self._information[..., None])[..., 0]
        log_dets = 2 * np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
        noise = len(self.target) * np.log(2 * np.pi * self.noise_variance) + self.target @ self.target / self.noise_variance
        return 0.5 * ((half**2).sum(axis=-1) - log_dets - self.units * np.log(self.outgoing_variance) - noise)

    @cached_property
    def _outgoing(self) -> tuple[FloatArray, FloatArray]:
        """Mean and marginal variance of every b_u given a, (nodes, ..., nodes, U)."""
        covariances = np.linalg.inv(self._precisions)
        means = (covariances @ self._information[..., None])[..., 0]
        return means, np.diagonal(covariances, axis1=-2, axis2=-1)

    def _log_weights(self, present: BoolArray) -> FloatArray:
        """log of the trapezoid weights times the prior of the present units; absent units stand at node 0."""
        total = np.zeros(())
        for unit, variance in enumerate(self.incoming_variance):
            density = -0.5 * (self._grid**2 / variance + np.log(2 * np.pi * variance))
            ends = np.where(self._grid > 0, np.log(2 * self.step), np.log(self.step))  # both signs of a_u
            at_zero = np.where(self._grid > 0, -np.inf, 0.0)
            total = np.add.outer(total, density + ends if present[unit] else at_zero)
        return total

    def _log_evidence(self, mask: BoolArray) -> float:
        return float(log_sum_exp(self._log_likelihood + self._log_weights(mask)))

    def _log_region(self) -> FloatArray:
        """log of the share of each grid point that lies in |a_1| > |a_2| > ...: ties are split evenly."""
        nodes = np.indices((len(self._grid),) * self.units)
        ties = sum(np.all(nodes[list(order)] == nodes, axis=0) for order in permutations(range(self.units)))
        descending = np.all(nodes[:-1] >= nodes[1:], axis=0)
        with np.errstate(divide="ignore"):
            return np.where(descending, -np.log(ties), -np.inf)


def example(units: int, incoming_variance: Sequence[float], log_prior: FloatArray, step: float = 0.1) -> TanhNet:
    """Twelve cases of a sum of two tanh units, outgoing variance 1, noise standard deviation 0.4."""
    rng = np.random.default_rng(19)
    inputs = np.linspace(-2, 2, 12)
    target = 1.5 * np.tanh(2.5 * inputs) - 1.2 * np.tanh(0.5 * inputs) + 0.4 * rng.normal(size=12)
    return TanhNet(inputs, target, np.array(incoming_variance[:units]), 1.0, 0.16, log_prior, step)


def checks() -> list[Check]:
    """Evidences by simulation and by a finer grid, and the slot's Bayes factor from the roles."""
    guided = example(3, [2.0, 1.0, 0.6], np.full(8, -np.log(8)))
    exchangeable = example(3, [1.0, 1.0, 1.0], np.full(8, -np.log(8)))
    pair, finer = (example(2, [2.0, 1.0], np.zeros(4), step).log_evidences for step in (0.1, 0.05))
    roles = exchangeable.role_log_bayes_factors()
    slot = exchangeable.log_evidences[0b011] - exchangeable.log_evidences[0b111]
    mean = float(log_sum_exp(roles) - np.log(3))
    return [
        Check("P19", "tanh net, 2 units: half the step", float(np.abs(pair - finer).max()), 0.0, 1e-5),
        *[_simulated(guided, index) for index in (0b001, 0b100, 0b101, 0b111)],
        _squares_check(guided),
        Check("P19", "slot of 3 = mean over roles", mean, float(slot), 1e-8),
        Check("P19", "slot of 3, as printed", float(slot), -0.288, 5e-4),
        Check("P19", "role of the largest |a|, as printed", float(roles[0]), -1.67, 5e-3),
        Check("P19", "mean of the roles' logarithms, as printed", float(roles.mean()), -0.54, 5e-3),
    ]


def _prior_draws(net: TanhNet, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    """200,000 draws of a, with their likelihoods relative to the evidence, all weights from the prior."""
    rng = np.random.default_rng(190)
    incoming = mask * rng.normal(size=(200_000, net.units)) * net.incoming_variance**0.5
    outgoing = rng.normal(size=(200_000, net.units)) * net.outgoing_variance**0.5
    fit = sum(outgoing[:, u, None] * np.tanh(incoming[:, u, None] * net.inputs) for u in range(net.units))
    log_likelihood = -((net.target - fit) ** 2).sum(axis=1) / (2 * net.noise_variance)
    log_likelihood -= len(net.target) / 2 * np.log(2 * np.pi * net.noise_variance)
    which = int(mask @ 2 ** np.arange(net.units - 1, -1, -1))
    return incoming, np.exp(log_likelihood - net.log_evidences[which])


def _simulated(net: TanhNet, index: int) -> Check:
    mask = all_masks(net.units)[index]
    return against_mean("P19", f"tanh net: evidence of {index:03b}", 1.0, _prior_draws(net, mask)[1])


def _squares_check(net: TanhNet) -> Check:
    incoming, importance = _prior_draws(net, np.ones(net.units, dtype=bool))
    return against_mean("P19", "tanh net: E a_1^2", net.incoming_squares()[0], importance * incoming[:, 0] ** 2)
