"""Both tails of Q = ||w||^2, w ~ N(mean, diag(sd^2)), by an integral through the saddle point (P18).

K(s) = log E exp(s Q) is analytic off the real half-line from 1 / (2 max sd^2) on, so that for a crossing c > 0 of the real
axis P(Q > t) = (1 / 2 pi i) * integral of exp(K(s) - s t) / s, and for c < 0 the same integral is -P(Q <= t). Through the
saddle point K'(c) = t the integrand neither oscillates nor is large elsewhere, so that the smaller tail has full relative
accuracy, however small it is. Its first term is the formula of Lugannani and Rice, which is off by some percent of the
probability for a few unequal scales (P18).

The path leaves c upwards, bends to the right so that the exponent is real to third order, and ends as a ray of slope
`_SLOPE` < 1. Between 45 and 90 degrees the modulus of each weight's factor falls along every ray: with z = w (s - c),
Re[z^2 / (1 - z)] and Re[-log(1 - z) - z] both decrease there. A parabola, bent further, fails where one scale dominates.

The sums over weights are the cost. Of a wide row the `_DOMINANT` largest w stay as they are. Every other one is at most
sqrt(2 K'' / (_DOMINANT + 1)), because K'' >= sum w^2 / 2, so that its summand is smooth in w wherever the integrand counts: it
is interpolated at `_NODES` Chebyshev points, and the row is summed once, not once per point of the path.

Everything is vectorised over rows, whose weights are on the last axis; the levels are scaled to t = 1.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

PerRow = Float[Tensor, "units"]
PerWeight = Float[Tensor, "units row"]

_ROOT_TOLERANCE = 1e-6  # relative, of K'; every crossing gives the same integral, the saddle point only the smoothest
_MAX_NEWTON = 100
_SLOPE = 0.8
_FIRST_STEP = 0.5
_TOLERANCE = 1e-8  # between two step sizes of the trapezoid rule; halving the step squares its error
_MAX_HALVINGS = 6
_NEGLIGIBLE = 1e-17  # of the peak
_REACH = 8.0  # sinh(8) standard deviations of the peak; the integrand is negligible long before
_DOMINANT = 8  # w / sqrt(K'') < 1/2 for all others: ten deviations from the peak the interpolation converges like 1.8^-k
_NODES = 48
_FROM_POLE = 1.2  # the least distance from the pole at s = 0, in standard deviations of the peak


@dataclass(frozen=True)
class Cumulant:
    """K of rows with these squared means and variances, both divided by the level."""

    square: PerWeight
    variance: PerWeight

    def derivatives(self, s: PerRow) -> tuple[PerRow, PerRow, PerRow]:
        """K', K'' and K''' at real s below the pole."""
        inverse = 1 / (1 - 2 * self.variance * s[:, None])
        growth, load = self.variance * inverse, self.square * inverse.square()
        first = (growth + load).sum(dim=1)
        second = (growth * (2 * growth + 4 * load)).sum(dim=1)
        third = (growth.square() * (8 * growth + 24 * load)).sum(dim=1)
        return first, second, third

    def value(self, s: PerRow) -> PerRow:
        """K at real s below the pole."""
        growth = -2 * self.variance * s[:, None]
        return (self.square * s[:, None] / (1 + growth) - 0.5 * torch.log1p(growth)).sum(dim=1)

    def saddle_point(self) -> PerRow:
        """The s with K'(s) = 1, by Newton's method on K'^(-1/2), which is concave and decreasing in s.

        It is a power mean, of order -2, of concave functions. So Newton's method falls monotonically to the root from any
        start above it, such as the root that the largest scale would have alone.
        """
        largest = self.variance.argmax(dim=1, keepdim=True)
        variance, square = self.variance.gather(1, largest)[:, 0], self.square.gather(1, largest)[:, 0]
        s = (1 - (variance + (variance.square() + 4 * square).sqrt()) / 2) / (2 * variance)
        for _ in range(_MAX_NEWTON):
            first, second, _ = self.derivatives(s)
            if bool(((first - 1).abs() <= _ROOT_TOLERANCE).all()):
                break
            s = s + 2 * first * (1 - first.sqrt()) / second
        return s


@dataclass(frozen=True)
class _Path:
    """s = crossing + i u + (a hyperbola in u), u = spread * sinh(y), of every row, as a function of y."""

    crossing: PerRow
    spread: PerRow
    bend: PerRow
    pull: PerWeight
    load: PerWeight
    count: PerWeight

    def rows(self, index: Int[Tensor, "some"]) -> "_Path":
        """The same of some rows."""
        return _Path(*(part[index] for part in (self.crossing, self.spread, self.bend, self.pull, self.load, self.count)))

    def integrand(self, y: float) -> tuple[PerRow, PerRow]:
        """Im of exp(K(s) - s - K(c) + c) / s * ds/dy, and the modulus of the same."""
        across = self.spread * math.sinh(y)
        curve = (1 + (2 * self.bend * across / _SLOPE).square()).sqrt()
        along = 2 * self.bend * across.square() / (1 + curve)
        real, imaginary = 1 - self.pull * along[:, None], self.pull * across[:, None]
        squared = real.square() + imaginary.square()
        weight = self.load / squared
        kept, turned = (weight * real).sum(dim=1), (weight * imaginary).sum(dim=1)
        log_modulus = -0.25 * (self.count * squared.log()).sum(dim=1) + along * (kept - 1) - across * turned
        phase = 0.5 * (self.count * torch.atan2(imaginary, real)).sum(dim=1) + across * (kept - 1) + along * turned
        direction = torch.complex(2 * self.bend * across / curve, torch.ones_like(across)) * self.spread * math.cosh(y)
        value = torch.polar(log_modulus.exp(), phase) * direction / torch.complex(self.crossing + along, across)
        return value.imag, value.abs()

    def sum_from(self, start: float, step: float) -> PerRow:
        """The sum of the integrand at start, start + step, ..., until it is negligible in every row."""
        peak = self.spread / self.crossing.abs()
        total = torch.zeros_like(peak)
        for count in range(math.ceil(_REACH / step)):
            value, modulus = self.integrand(start + count * step)
            total += value
            if bool((modulus <= _NEGLIGIBLE * peak).all()):
                break
        return total


def log_tails(square: PerWeight, variance: PerWeight) -> tuple[PerRow, PerRow]:
    """(log P(Q > 1), log P(Q <= 1)) in nats from squared means and variances, float64.

    Every row needs a positive variance, and its weights without variance a sum of squares below 1. The smaller tail has a
    relative error of about 1e-10 and the other follows from it.
    """
    cumulant = Cumulant(square, variance)
    crossing = _away_from_pole(cumulant.saddle_point(), cumulant)
    small = _log_integral(crossing, cumulant)
    other = torch.log1p(-small.exp())
    above = crossing > 0
    return torch.where(above, small, other), torch.where(above, other, small)


def _away_from_pole(saddle: PerRow, cumulant: Cumulant) -> PerRow:
    """The saddle point, or where it is too close to the pole of 1 / s a crossing to the left of both."""
    second, left = cumulant.derivatives(saddle)[1], cumulant.derivatives(saddle.clamp(max=0))[1]
    return torch.where(saddle.abs() * second.sqrt() < _FROM_POLE, -_FROM_POLE / left.sqrt(), saddle)


def _log_integral(crossing: PerRow, cumulant: Cumulant) -> PerRow:
    """log |(1 / 2 pi i) integral of exp(K(s) - s) / s| over the paths through the crossings."""
    _, second, third = cumulant.derivatives(crossing)
    inverse = 1 / (1 - 2 * cumulant.variance * crossing[:, None])
    pull, load = 2 * cumulant.variance * inverse, cumulant.square * inverse.square()
    path = _Path(crossing, second.rsqrt(), third / (6 * second), pull, load, torch.ones_like(pull))
    integral = _trapezoid(_interpolated(path) if pull.shape[1] > 2 * _NODES else path)
    return cumulant.value(crossing) - crossing + (integral.abs() / math.pi).log()


def _interpolated(path: _Path) -> _Path:
    """The path with the sum over all but the dominant weights replaced by one over Chebyshev points of their range."""
    dominant, places = path.pull.topk(_DOMINANT, dim=1)
    others = torch.ones_like(path.pull).scatter_(1, places, 0.0)
    load, pull = path.load * others, path.pull * others
    width = pull.amax(dim=1, keepdim=True).clamp(min=1e-300)
    x = 2 * pull / width - 1
    terms, previous, current = [], torch.ones_like(x), x
    for _ in range(_NODES):
        terms.append(torch.stack([(others * previous).sum(dim=1), (load * previous).sum(dim=1)]))
        previous, current = current, 2 * x * current - previous
    angles = math.pi * (torch.arange(_NODES, dtype=x.dtype, device=x.device) + 0.5) / _NODES
    basis = 2 * torch.cos(angles[:, None] * torch.arange(_NODES, dtype=x.dtype, device=x.device)) / _NODES
    basis[:, 0] /= 2
    counts, loads = torch.stack(terms, dim=-1) @ basis.T
    return _Path(
        path.crossing,
        path.spread,
        path.bend,
        torch.cat([dominant, width * (1 + angles.cos()) / 2], dim=1),
        torch.cat([path.load.gather(1, places), loads], dim=1),
        torch.cat([torch.ones_like(dominant), counts], dim=1),
    )


def _trapezoid(path: _Path) -> PerRow:
    """The integral of the path's integrand over y > 0, by halving the step until it no longer moves."""
    step = _FIRST_STEP
    integral = step * (path.spread / (2 * path.crossing) + path.sum_from(step, step))
    moving = torch.arange(len(integral), device=integral.device)
    for _ in range(_MAX_HALVINGS):
        finer = 0.5 * (integral[moving] + step * path.rows(moving).sum_from(step / 2, step))
        moved = (finer - integral[moving]).abs() > _TOLERANCE * finer.abs()
        integral[moving], moving, step = finer, moving[moved], step / 2
        if len(moving) == 0:
            break
    return integral
