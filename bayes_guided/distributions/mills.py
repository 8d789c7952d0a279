"""The standard normal tail in forms that stay accurate however far out: a = 0 to 1e150, in float64.

For Y with density proportional to exp(-y^2/2 - a y) on y > 0 (the normal N(-a, 1) cut to the positive half line):
log mass log I(a), mean and second moment of Y, and draws of Y. Derivatives: (log I)' = -E[Y], E[Y]' = -Var[Y].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_SWITCH = 4.0
"""Below it the closed forms lose at most two digits to cancellation; above it the continued fraction has converged."""

_TERMS = 40

_HALLEY_STEPS = 2
"""From a start within 3 % two reach rounding, for every a and energy that a sampler meets."""


def log_mass(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log of the integral of exp(-y^2/2 - a y) over y > 0, for a >= 0; differentiable."""
    return _LogMass.apply(a)  # pyright: ignore[reportReturnType]


def mean(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """E[Y], about 1/a for large a; differentiable."""
    return _Mean.apply(a)  # pyright: ignore[reportReturnType]


def second_moment(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """E[Y^2] = 1 - a E[Y], about 2/a^2 for large a and free of that cancellation; differentiable."""
    first, ratio = _moment_ratios(a)
    return first * ratio


def hazard(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Normal density over upper tail probability at x >= 0, the reciprocal of Mills' ratio."""
    return math.sqrt(2 / math.pi) / torch.special.erfcx(x / math.sqrt(2))


def draw(a: Float[Tensor, "*#shape"], energy: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The y with P(Y > y) = exp(-energy), a draw of Y if the energy is Exp(1); differentiable in `a` only.

    `a` broadcasts to the energies; one that its row shares, of size 1 on the last axis, is the cheapest. The derivative is
    implicit: dy/da = hazard(a) / hazard(a + y) - 1 at fixed energy [Figurnov2018].
    """
    with torch.no_grad():
        excess_of_hazard = mean(a)
        first = a + excess_of_hazard
        # The cumulative hazard of Y is first * y + first * (first - a) y^2 / 2 + ... near 0, and like a y + y^2 / 2 far out:
        # the start is on a parabola whose curvature goes from one to the other.
        curvature = (first * excess_of_hazard + 0.1 * energy) / (1 + 0.1 * energy)
        y = 2 * energy / (first + (first * first + 2 * curvature * energy).sqrt())
        start = torch.special.erfcx(a / math.sqrt(2))
        for _ in range(_HALLEY_STEPS):
            tail = torch.special.erfcx((a + y) / math.sqrt(2))
            inverse = tail * math.sqrt(math.pi / 2)
            step = (energy - y * (a + y / 2) + (tail / start).log()) * inverse
            y = (y + step / (1 + step * (1 / inverse - a - y) / 2)).clamp_min(0)
        if not a.requires_grad:
            return y
        slope = hazard(a) / hazard(a + y) - 1
    return y + slope * (a - a.detach())


class _LogMass(torch.autograd.Function):
    # The derivative of erfcx as torch has it subtracts two nearly equal numbers for large a.
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.special.erfcx(a / math.sqrt(2)).log() + 0.5 * math.log(math.pi / 2)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return -grad * mean(ctx.saved_tensors[0])


class _Mean(torch.autograd.Function):
    # For the same reason: E[Y]' = -Var[Y], as a product of two positive numbers.
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _moment_ratios(a)[0]

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        first, ratio = _moment_ratios(ctx.saved_tensors[0])
        return -grad * first * (ratio - first)


def _moment_ratios(a: Tensor) -> tuple[Tensor, Tensor]:
    """E[Y] and E[Y^2] / E[Y].

    With R_n = E[Y^n] / E[Y^(n-1)], integration by parts gives R_n = n / (a + R_(n+1)): a continued fraction of positive
    terms, run backwards from the large-n value of R_n. Near a = 0 it is slow, and R_1 has a closed form.
    """
    far = a.clamp_min(_SWITCH)
    ratio = ((far * far + 4 * (_TERMS + 1)).sqrt() - far) / 2
    for n in range(_TERMS, 1, -1):
        ratio = n / (far + ratio)
    first_far = 1 / (far + ratio)
    near = a.clamp_max(_SWITCH)
    first_near = hazard(near) - near
    ratio_near = (1 - near * first_near) / first_near
    is_far = a > _SWITCH
    return torch.where(is_far, first_far, first_near), torch.where(is_far, ratio, ratio_near)
