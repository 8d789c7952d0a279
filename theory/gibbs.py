r"""P13. Gibbs priors $p(m)\propto e^{-C(m)}$: compute along a chain of layers, and description length.

**Setting.** Layers $1,\dots,L$ have $U_l$ units, $K_l=|m^{(l)}|$ of them present, between $K_0$ inputs and $K_{L+1}$
outputs that are fixed, and
$$C(m)=\sum_{l=0}^{L}a_lK_lK_{l+1}+\sum_{l=1}^{L}b_lK_l,\qquad K_l\ge k_{\min}.$$
$a_l=\beta$ counts multiplications (for a convolution, $\beta\times$ kernel size $\times$ output positions);
$b_l=\beta$ as well counts the biases, so that $C/\beta$ is the number of parameters but for the outputs' biases.

**Proposition.**
1. The widths form a Markov chain:
   $p(K_1,\dots,K_L)=Z^{-1}\prod_{l=1}^L\binom{U_l}{K_l}e^{-b_lK_l}\prod_{l=0}^Le^{-a_lK_lK_{l+1}}$,
   and given its width a layer's mask is uniform. So $\log Z$ and all width laws follow from $L$ matrix-vector
   products each way, $O(LU^2)$, and $P(m_u=1)=E K_l/U_l$.
2. Given all other units, unit $u$ of layer $l$ has log odds $-(a_{l-1}K_{l-1}+a_lK_{l+1}+b_l)$ (where $K_l$ may still
   fall): the price of a unit is the width of its neighbours. An empty layer makes its neighbours free, so without
   $k_{\min}\ge1$ the prior puts mass on networks that are cut in two.
3. *(Description length.)* $C=\mathcal L(|m|)+\log\binom U{|m|}$ has $P(K=k)\propto e^{-\mathcal L(k)}$ and
   $P(m_u=1)=EK/U$: the binomial term pays for the choice of the subset (multiplicity correction).

*Proof.* (1) $C$ depends on the widths only, and $\prod_l\binom{U_l}{K_l}$ masks have given widths. The weight is a
product of functions of neighbouring widths, so the sum over the earlier widths is
$f_{l+1}(k')=w_{l+1}(k')\sum_kf_l(k)e^{-a_lkk'}$ with $f_1=w_1$, that over the later ones
$g_l(k)=\sum_{k'}e^{-a_lkk'}w_{l+1}(k')g_{l+1}(k')$ with $g_L=1$; the law of $K_l$ is $f_lg_l/Z$. The units of a layer
are exchangeable, so $E K_l=U_lP(m_u=1)$. (2) $C(m_u=1)-C(m_u=0)$. (3) There are $\binom Uk$ masks of size $k$, each
of weight $e^{-\mathcal L(k)}/\binom Uk$. $\square$

The notes' toy with 23 % of its mass on an empty layer is not stated there; the check shows the effect on its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from theory.arrays import BoolArray, FloatArray, log_sum_exp
from theory.checks import Check
from theory.enumeration import enumerate_models


@dataclass(frozen=True)
class Chain:
    """Layers in a row, and their costs in nats.

    `edge_costs` (L + 1) are per pair of connected units, from the inputs to the outputs; `unit_costs` (L) per unit.
    """

    sizes: tuple[int, ...]
    num_inputs: int
    num_outputs: int
    edge_costs: tuple[float, ...]
    unit_costs: tuple[float, ...]
    min_width: int = 1

    def widths(self, layer: int) -> FloatArray:
        """The widths 0..U of one layer, those below the minimum included."""
        return np.arange(self.sizes[layer] + 1.0)

    def layer_log_weight(self, layer: int) -> FloatArray:
        """Log weight (U_l + 1,) of each width from what the layer alone pays: masks, units, fixed neighbours."""
        widths = self.widths(layer)
        price = self.unit_costs[layer]
        if layer == 0:
            price += self.edge_costs[0] * self.num_inputs
        if layer == len(self.sizes) - 1:
            price += self.edge_costs[-1] * self.num_outputs
        log_weight = log_binomial(self.sizes[layer], widths) - price * widths
        return np.where(widths < self.min_width, -np.inf, log_weight)

    def pair_log_weight(self, layer: int) -> FloatArray:
        """Log weight (U_l + 1, U_{l+1} + 1) of the connections from `layer` to the next one."""
        return -self.edge_costs[layer + 1] * np.outer(self.widths(layer), self.widths(layer + 1))


def log_binomial(size: int, widths: ArrayLike) -> FloatArray:
    """log of the number of masks of each width, in nats."""
    k = np.asarray(widths, dtype=np.float64)
    return gammaln(size + 1.0) - gammaln(k + 1) - gammaln(size - k + 1)


def chain_cost(chain: Chain, widths: ArrayLike) -> FloatArray:
    """C in nats of the widths (n, L), shape (n,)."""
    inner = np.asarray(widths, dtype=np.float64)
    ends = np.ones((len(inner), 1))
    padded = np.hstack([chain.num_inputs * ends, inner, chain.num_outputs * ends])
    return (padded[:, :-1] * padded[:, 1:]) @ chain.edge_costs + inner @ chain.unit_costs


def chain_log_normalizer(chain: Chain) -> float:
    """log Z in nats over all masks with every layer at its minimum width or above."""
    return float(log_sum_exp(_forward(chain)[-1]))


def chain_width_pmfs(chain: Chain) -> list[FloatArray]:
    """P(K_l = k) of each layer, shapes (U_l + 1,)."""
    joint = [before + after for before, after in zip(_forward(chain), _backward(chain), strict=True)]
    return [np.exp(log_weight - log_sum_exp(log_weight)) for log_weight in joint]


def chain_unit_survival(chain: Chain) -> FloatArray:
    """P(m_u = 1), one number per layer since its units are exchangeable, shape (L,)."""
    pmfs = chain_width_pmfs(chain)
    return np.array([pmf @ chain.widths(layer) / chain.sizes[layer] for layer, pmf in enumerate(pmfs)])


def mdl_log_prob(masks: BoolArray, code_lengths: ArrayLike) -> FloatArray:
    """log p(m) in nats of masks (n, U) for C = code_lengths[|m|] + log binom(U, |m|), code_lengths (U + 1,) in nats."""
    lengths = np.asarray(code_lengths, dtype=np.float64)
    sizes = masks.sum(axis=1)
    return -lengths[sizes] - log_binomial(masks.shape[1], sizes) - log_sum_exp(-lengths)


def _forward(chain: Chain) -> list[FloatArray]:
    """Log weight of each width of each layer, everything before it summed out."""
    messages = [chain.layer_log_weight(0)]
    for layer in range(1, len(chain.sizes)):
        summed = log_sum_exp(messages[-1][:, None] + chain.pair_log_weight(layer - 1), axis=0)
        messages.append(chain.layer_log_weight(layer) + summed)
    return messages


def _backward(chain: Chain) -> list[FloatArray]:
    """Log weight of everything after each layer, given its width."""
    last = len(chain.sizes) - 1
    messages: list[FloatArray] = [np.zeros(chain.sizes[last] + 1)]
    for layer in range(last - 1, -1, -1):
        after = chain.layer_log_weight(layer + 1) + messages[0]
        messages.insert(0, log_sum_exp(chain.pair_log_weight(layer) + after, axis=1))
    return messages


def checks() -> list[Check]:
    """Against enumeration of all masks of a 4-5-3 chain, with and without empty layers; and the MDL size law."""
    chain = Chain((4, 5, 3), 3, 2, (0.05, 0.11, 0.11, 0.07), (0.02, 0.02, 0.02))
    with_empty = Chain(chain.sizes, 3, 2, chain.edge_costs, chain.unit_costs, min_width=0)
    empty_mass = 1 - np.exp(chain_log_normalizer(chain) - chain_log_normalizer(with_empty))
    lengths = 0.3 * np.arange(11) ** 1.5
    mdl = enumerate_models(lambda masks: mdl_log_prob(masks, lengths), 10)
    mdl_law = np.exp(-lengths - log_sum_exp(-lengths))
    return [
        *_chain_checks(chain),
        Check("P13", "mass with an empty layer", float(empty_mass), _empty_mass(with_empty), 1e-13),
        Check("P13", "MDL: log normaliser is 0", mdl.log_normalizer, 0.0, 1e-13),
        Check("P13", "MDL: size law, max error", np.abs(mdl.width_pmf() - mdl_law).max(), 0.0, 1e-14),
    ]


def _layer_widths(masks: BoolArray) -> FloatArray:
    """Widths (n, 3) of the check's chain of 4, 5 and 3 units."""
    return np.stack([masks[:, :4].sum(axis=1), masks[:, 4:9].sum(axis=1), masks[:, 9:].sum(axis=1)], axis=1) * 1.0


def _chain_checks(chain: Chain) -> list[Check]:
    def log_weight(masks: BoolArray) -> FloatArray:
        widths = _layer_widths(masks)
        return np.where((widths < chain.min_width).any(axis=1), -np.inf, -chain_cost(chain, widths))

    exact = enumerate_models(log_weight, 12)
    survival = np.repeat(chain_unit_survival(chain), chain.sizes)
    middle = exact.width_pmf(slice(4, 9))
    present, absent = np.array([[1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1], [1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1]]) == 1
    price = float(np.diff(log_weight(np.stack([present, absent])))[0])
    return [
        Check("P13", "chain: log Z", chain_log_normalizer(chain), exact.log_normalizer, 1e-12),
        Check("P13", "chain: inclusion, max error", np.abs(exact.unit_survival() - survival).max(), 0.0, 1e-13),
        Check("P13", "chain: width law", np.abs(middle - chain_width_pmfs(chain)[1]).max(), 0.0, 1e-13),
        Check("P13", "chain: price of a unit", 0.11 * 2 + 0.11 * 2 + 0.02, price, 1e-13),
    ]


def _empty_mass(chain: Chain) -> float:
    exact = enumerate_models(lambda masks: -chain_cost(chain, _layer_widths(masks)), 12)
    empty = (_layer_widths(exact.masks) == 0).any(axis=1)
    return float(np.exp(exact.log_probs)[empty].sum())
