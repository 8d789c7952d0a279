"""Log odds of the two tails of the Gamma law, where one of them is 1 to double precision, and their inverse."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

Array = NDArray[np.float64]

_FAR = -30.0  # nats; SciPy's tails keep their relative accuracy down to there, and underflow at -745
_ROUNDING = 4 * np.finfo(float).eps


def gamma_log_odds(shape: Float[Tensor, "*batch"], x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """`log P(X > x) - log P(X <= x)` for X ~ Gamma(shape, 1), in nats, float64; relative accuracy in both tails."""
    log_lower, log_upper = _log_tails(_array(shape), _array(x))
    return torch.from_numpy(log_upper - log_lower).to(x.device)


def gamma_quantile(shape: Float[Tensor, "*batch"], log_odds: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The x at which X ~ Gamma(shape, 1) exceeds x with these log odds: the inverse of `gamma_log_odds`, float64.

    0 where x is below the smallest positive float64, which log odds above some 700 times the shape need.
    """
    a, odds = _array(shape), _array(log_odds)
    lower = odds > 0
    log_x = np.empty_like(odds)
    log_x[lower] = _invert_lower(a[lower], -np.logaddexp(0, odds[lower]))
    log_x[~lower] = _invert_upper(a[~lower], -np.logaddexp(0, -odds[~lower]))
    return torch.from_numpy(np.exp(log_x)).to(log_odds.device)


def _invert_lower(a: Array, log_tail: Array) -> Array:
    """log x with log P(X <= x) = log_tail <= log(1/2).

    In log x the log of the tail is concave and rising, since the density is log-concave: Newton's method rises to the
    root from any point below it. Below it are the Chernoff bound and, because P(X <= x) <= x^a / Gamma(a + 1), the other.
    """
    with np.errstate(divide="ignore"):
        chernoff = np.log(np.maximum(a - np.sqrt(-2 * a * log_tail), 0))
    return _newton(np.maximum(chernoff, (log_tail + special.gammaln(a + 1)) / a), log_tail, a, side=0)


def _invert_upper(a: Array, log_tail: Array) -> Array:
    """log x with log P(X > x) = log_tail <= log(1/2): concave and falling in log x; from above, where Chernoff puts it."""
    return _newton(np.log(a + np.sqrt(-2 * a * log_tail) - log_tail), log_tail, a, side=1)


def _newton(log_x: Array, log_tail: Array, a: Array, *, side: int) -> Array:
    """Newton steps towards the root until rounding turns them back; `side` is 0 for the lower tail, 1 for the upper."""
    direction = 1 if side == 0 else -1
    # Where x underflows its start, the leading term of the lower tail, is exact.
    moving = log_x > np.log(np.finfo(float).tiny)
    while moving.any():
        start, shape = log_x[moving], a[moving]
        found = _log_tails(shape, np.exp(start))[side]
        slope = direction * np.exp(shape * start - np.exp(start) - special.gammaln(shape) - found)
        log_x[moving] += (log_tail[moving] - found) / slope
        moving[moving] = direction * (log_x[moving] - start) > 0
    return log_x


def _log_tails(a: Array, x: Array) -> tuple[Array, Array]:
    """log P(X <= x) and log P(X > x)."""
    lower, upper = special.gammainc(a, x), special.gammaincc(a, x)
    with np.errstate(divide="ignore"):
        log_lower = np.where(lower < upper, np.log(lower), np.log1p(-upper))
        log_upper = np.where(lower < upper, np.log1p(-lower), np.log(upper))
        far_lower, far_upper = log_lower < _FAR, log_upper < _FAR
        log_lower[far_lower] = _log_lower_series(a[far_lower], x[far_lower])
        log_upper[far_upper] = _log_upper_fraction(a[far_upper], x[far_upper])
    return log_lower, log_upper


def _log_lower_series(a: Array, x: Array) -> Array:
    """log of x^a e^-x / Gamma(a + 1) times sum_n x^n / ((a + 1) ... (a + n)); x < a here."""
    term = total = np.ones_like(a)
    n = 0
    while (term > _ROUNDING * total).any():
        n += 1
        term = term * x / (a + n)
        total = total + term
    return a * np.log(x) - x - special.gammaln(a + 1) + np.log(total)


def _log_upper_fraction(a: Array, x: Array) -> Array:
    """log of x^a e^-x / Gamma(a) times Lentz's continued fraction of the incomplete Gamma function; x > a + 1 here."""
    b = x + 1 - a
    c, d = np.full_like(a, np.inf), 1 / b
    fraction = d
    n, change = 0, np.full_like(a, np.inf)
    while (np.abs(change - 1) > _ROUNDING).any():
        n += 1
        coefficient = -n * (n - a)
        b = b + 2
        d = 1 / (coefficient * d + b)
        c = b + coefficient / c
        change = d * c
        fraction = fraction * change
    return a * np.log(x) - x - special.gammaln(a) + np.log(fraction)


def _array(values: Float[Tensor, "*batch"]) -> Array:
    return values.detach().cpu().double().numpy()
