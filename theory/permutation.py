r"""P26. Guidance breaks the permutation symmetry of a layer; how far it does decides what "unit u" means.

Permuting the units of a layer (rows with their outgoing weights) leaves the likelihood alone. Let $\Omega_u$ be
the penalties of $U$ distinct roles. The prior weight of putting role $u$ into slot $P(u)$ is
$$p(P)\propto\exp\Big(-\lambda\sum_ug_{P(u)}\Omega_u\Big).$$

**Proposition.** (i) The mode puts the largest $\Omega$ into the slot with the smallest $g$, and so on down.
(ii) The normaliser is the permanent of $M_{uv}=e^{-\lambda g_v\Omega_u}$, and
$P(\text{role }u\text{ in slot }v)=M_{uv}\,\mathrm{perm}(M^{(uv)})/\mathrm{perm}(M)$ with the minor $M^{(uv)}$.
(iii) A transposition of two roles changes the log weight by $\lambda\,(g_v-g_{v'})(\Omega_u-\Omega_{u'})$.

*Proof.* (i) rearrangement inequality, which is (iii) applied until nothing improves. (ii) is the definition of
the permanent. $\square$

The order is identified only if $\lambda\,\Delta g\,\Delta\Omega\gg1$. Without guidance all weights are equal:
each role is equally likely in each slot, a full posterior gives every unit the same survival, and only mode-local
or sorted summaries mean anything.

The permanent is summed over subsets of slots, $O(U2^U)$: toys only. Printed numbers: five units with
$\Omega=0,.2,.4,.6,.8$ (spacing recovered from the numbers) and $g$ spaced by $\Delta g$.
"""

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from theory.arrays import FloatArray
from theory.checks import Check

Slots = NDArray[np.intp]


def log_weights(penalties: FloatArray, guidance: FloatArray, strength: float) -> FloatArray:
    """log M (roles, slots) in nats: minus strength * guidance of the slot * penalty of the role."""
    return -strength * penalties[:, None] * guidance[None, :]


def log_permanent(log_matrix: FloatArray) -> float:
    """log of the permanent of exp(log_matrix), rows placed one by one into the free columns."""
    size = len(log_matrix)
    total = np.full(2**size, -np.inf)
    total[0] = 0.0
    for used in range(1, 2**size):
        row = used.bit_count() - 1
        for column in range(size):
            if used >> column & 1:
                before = total[used ^ (1 << column)] + log_matrix[row, column]
                total[used] = np.logaddexp(total[used], before)
    return float(total[-1])


def most_probable_slots(penalties: FloatArray, guidance: FloatArray) -> Slots:
    """Slot of each role in the mode: descending penalties meet ascending guidance."""
    slots = np.empty(len(penalties), dtype=np.intp)
    slots[np.argsort(-penalties, kind="stable")] = np.argsort(guidance, kind="stable")
    return slots


def log_probability(slots: Slots, log_matrix: FloatArray) -> float:
    """log p(P) in nats of one assignment: slots[u] is the slot of role u."""
    return float(log_matrix[np.arange(len(slots)), slots].sum()) - log_permanent(log_matrix)


def slot_probabilities(log_matrix: FloatArray) -> FloatArray:
    """P(role u in slot v), (roles, slots); doubly stochastic."""
    size, total = len(log_matrix), log_permanent(log_matrix)
    result = np.empty((size, size))
    for u in range(size):
        for v in range(size):
            minor = np.delete(np.delete(log_matrix, u, axis=0), v, axis=1)
            result[u, v] = np.exp(log_matrix[u, v] + log_permanent(minor) - total)
    return result


def swap_log_odds(strength: float, guidance_gap: float, penalty_gap: float) -> float:
    """Log odds of an assignment against the one with two roles exchanged, in nats.

    The role whose penalty is larger by penalty_gap sits in the slot whose guidance is smaller by guidance_gap.
    """
    return strength * guidance_gap * penalty_gap


def _enumeration_checks() -> list[Check]:
    rng = np.random.default_rng(22)
    penalties, guidance = rng.exponential(size=6), rng.exponential(size=6)
    logs = log_weights(penalties, guidance, 1.7)
    orders = np.array(list(permutations(range(6))))
    each = logs[np.arange(6), orders].sum(axis=1)
    weight = np.exp(each)
    best = orders[each.argmax()]
    mode = most_probable_slots(penalties, guidance)
    marginal = float(weight[orders[:, 2] == 4].sum() / weight.sum())
    swapped = mode.copy()
    swapped[[1, 3]] = mode[[3, 1]]
    gaps = float(guidance[mode[3]] - guidance[mode[1]]), float(penalties[1] - penalties[3])
    odds = log_probability(mode, logs) - log_probability(swapped, logs)
    return [
        Check("P26", "log permanent, 720 permutations", log_permanent(logs), float(np.log(weight.sum())), 1e-12),
        Check("P26", "mode is the sorted assignment", float((best == mode).sum()), 6.0, 0.0),
        Check("P26", "P(role 2 in slot 4)", float(slot_probabilities(logs)[2, 4]), marginal, 1e-12),
        Check("P26", "swap log odds", swap_log_odds(1.7, *gaps), odds, 1e-12),
    ]


def _printed_checks() -> list[Check]:
    printed = {0: (0.0083, 5e-5), 1: (0.039, 5e-4), 5: (0.30, 5e-3), 20: (0.93, 5e-3), 50: (0.9998, 5e-5)}
    penalties, guidance = np.array([0.8, 0.6, 0.4, 0.2, 0.0]), np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    slots = most_probable_slots(penalties, guidance)
    found: list[Check] = []
    for strength, (number, digits) in printed.items():
        value = float(np.exp(log_probability(slots, log_weights(penalties, guidance, float(strength)))))
        found.append(Check("P26", f"P(sorted), lambda dg = {strength}, as printed", value, number, digits))
    return found


def _exchangeable_check() -> Check:
    logs = log_weights(np.array([0.3, 1.0, 2.2, 4.0]), np.ones(4), 3.0)
    return Check(
        "P26", "unguided: every slot equally likely", float(np.abs(slot_probabilities(logs) - 0.25).max()), 0.0, 1e-12
    )


def checks() -> list[Check]:
    """Subset sums against the enumeration of all permutations, and the notes' table."""
    return [*_enumeration_checks(), *_printed_checks(), _exchangeable_check()]
