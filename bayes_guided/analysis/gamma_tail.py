"""Both tails of the Gamma law in logarithms, where one of them is 1 to double precision."""

import numpy as np
import torch
from jaxtyping import Float
from scipy import special
from torch import Tensor

_MAX_TERMS = 100_000


def gamma_log_odds(shape: Float[Tensor, "*batch"], x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """`log P(X > x) - log P(X <= x)` for X ~ Gamma(shape, 1), in nats, float64; relative accuracy in both tails."""
    a, point = np.broadcast_arrays(shape.detach().cpu().double().numpy(), x.detach().cpu().double().numpy())
    with np.errstate(divide="ignore"):
        below, above = np.log(special.gammainc(a, point)), np.log(special.gammaincc(a, point))
    far_below, far_above = below < -30, above < -30
    below = np.where(far_below, _log_lower_series(np.where(far_below, a, 1.0), np.where(far_below, point, 0.5)), below)
    above = np.where(far_above, _log_upper_fraction(np.where(far_above, a, 1.0), np.where(far_above, point, 2.0)), above)
    # Where one tail is far, the other is 1 - exp(far).
    below = np.where(far_above, np.log1p(-np.exp(np.where(far_above, above, -1.0))), below)
    above = np.where(far_below, np.log1p(-np.exp(np.where(far_below, below, -1.0))), above)
    return torch.from_numpy(np.asarray(above - below)).to(x.device)


def _log_lower_series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """log of the lower tail: x^a e^-x / Gamma(a + 1) times sum_n x^n / ((a + 1) ... (a + n)); x < a here."""
    term = total = np.ones_like(a)
    for n in range(1, _MAX_TERMS):
        term = term * x / (a + n)
        total = total + term
        if (term <= np.finfo(float).eps * total).all():
            break
    with np.errstate(divide="ignore"):
        return a * np.log(x) - x - special.gammaln(a + 1) + np.log(total)


def _log_upper_fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """log of the upper tail by Lentz's continued fraction for Gamma(a, x); x > a + 1 here."""
    b = x + 1 - a
    c = np.full_like(a, 1e300)
    d = 1 / b
    fraction = d
    for n in range(1, _MAX_TERMS):
        coefficient = -n * (n - a)
        b = b + 2
        d = 1 / (coefficient * d + b)
        c = b + coefficient / c
        fraction = fraction * d * c
        if (np.abs(d * c - 1) <= np.finfo(float).eps).all():
            break
    return a * np.log(x) - x - special.gammaln(a) + np.log(fraction)
