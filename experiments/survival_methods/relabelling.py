"""What a draw says of each slot, averaged exactly over all ways of giving its units to the slots (P26).

The likelihood, and the prior of the outgoing weights, do not know the units' order; only the rows' prior does. So, given the
units of a draw without their order, they lie in the slots by a permutation s with probability proportional to
prod_u w[u, s(u)], w[u, s] the prior density of what unit u is, in slot s. The average over all U! permutations is a ratio of
permanents, summed here over the 2^U sets of units that the first slots can hold. A chain then has to find the units, and not
their order: an exact average, with the mean of the posterior and less error.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def slot_probabilities(log_weights: Float[Tensor, "draws units slots"]) -> Float[Tensor, "draws units slots"]:
    """P(unit u of the draw lies in slot s), from log w; rows and columns sum to 1."""
    units = log_weights.shape[1]
    weights = (log_weights - log_weights.amax(dim=2, keepdim=True)).exp()
    sets = range(2**units)
    members = [[unit for unit in range(units) if held >> unit & 1] for held in sets]
    before = [torch.ones(len(weights), dtype=weights.dtype) for _ in sets]
    after = list(before)
    for held in sets[1:]:  # the units of a set in the first slots, and all others in the last
        slot = len(members[held]) - 1
        before[held] = _sum(before[held ^ 1 << unit] * weights[:, unit, slot] for unit in members[held])
    for held in reversed(sets[:-1]):
        slot = len(members[held])
        others = [unit for unit in range(units) if not held >> unit & 1]
        after[held] = _sum(after[held | 1 << unit] * weights[:, unit, slot] for unit in others)
    found = torch.zeros_like(weights)
    for held in sets:
        for unit in members[held]:
            slot = len(members[held]) - 1
            found[:, unit, slot] += before[held ^ 1 << unit] * weights[:, unit, slot] * after[held]
    return found / before[-1][:, None, None]


def _sum(terms) -> Tensor:
    return torch.stack(list(terms)).sum(dim=0)
