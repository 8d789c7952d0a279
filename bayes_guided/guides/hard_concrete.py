"""Hard-concrete gates: relaxed Bernoulli variables that are exactly 0 or 1 with positive probability [Louizos2018]."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE = 2 / 3
"""beta of [Louizos2018]."""

LOWER, UPPER = -0.1, 1.1
"""gamma and zeta: the ends to which a concrete variable is stretched before it is cut to [0, 1]."""

_SHIFT = TEMPERATURE * math.log(-LOWER / UPPER)


def hard_concrete(log_odds: Float[Tensor, "units"], draws: int) -> Float[Tensor, "draws units"]:
    """Draws of gates in [0, 1] with P(gate > 0) = sigmoid(log_odds), differentiable in the log odds (P17).

    P(gate > 0) = sigmoid(log alpha - beta log(-gamma / zeta)), which gives log alpha. Noise is from torch's global generator,
    of the log odds' device.
    """
    uniform = torch.rand(draws, len(log_odds), dtype=log_odds.dtype, device=log_odds.device)
    tiny = torch.finfo(log_odds.dtype).tiny
    noise = uniform.clamp(min=tiny).log() - torch.log1p(-uniform)
    concrete = torch.sigmoid((noise + log_odds + _SHIFT) / TEMPERATURE)
    return (concrete * (UPPER - LOWER) + LOWER).clamp(0.0, 1.0)
