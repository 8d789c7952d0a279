"""Expected penalties of rows under a Gaussian with independent weights: what the ELBO of a guided prior needs (P9).

The ELBO holds minus the expected penalty, so that an upper bound of the penalty gives a valid lower bound of the ELBO. By
Jensen's inequality for a concave power, with E||w||^2 = sum mean^2 + sum sd^2,

    E ||w||       <= (E ||w||^2)^(1/2)      excess about 1 / (4 D) for D equal scales around 0
    E sqrt(||w||) <= (E ||w||^2)^(1/4)

The bounds cost one sum. The exact values are one-dimensional integrals, about a hundred sums. All are differentiable once.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

PerRow = Float[Tensor, "units"]
PerWeight = Float[Tensor, "units row"]

_STEP = 0.25  # of the trapezoid rule in log t, where the integrand is analytic in a strip of half-width pi / 2
_LOWEST = -13.0  # log t; the integrand falls like t^(3 - power / 2) to the left
_ENDS = tuple(4.0 * k for k in range(1, 12))  # log t
_NEGLIGIBLE = 1e-14
_LARGE_SHAPE = 1e3


def expected_square(mean: PerWeight, sd: PerWeight) -> PerRow:
    """E ||w||_2^2, exactly: the expected penalty of the Gaussian family per unit of rate."""
    return (mean.square() + sd.square()).sum(dim=1)


def expected_l1(mean: PerWeight, sd: PerWeight) -> PerRow:
    """E ||w||_1, exactly, from folded normals; a weight whose sd is 0 counts with |mean|."""
    random = sd > 0
    safe = torch.where(random, sd, 1.0)
    ratio = mean / safe
    folded = mean * torch.erf(ratio / math.sqrt(2)) + safe * math.sqrt(2 / math.pi) * torch.exp(-ratio.square() / 2)
    return torch.where(random, folded, mean.abs()).sum(dim=1)


def expected_norm_bound(mean: PerWeight, sd: PerWeight) -> PerRow:
    """sqrt(E ||w||^2) >= E ||w||_2: gives a lower bound of the ELBO of a group Laplace prior (P9).

    Its gradient is undefined where all means and standard deviations of a row are 0.
    """
    return expected_square(mean, sd).sqrt()


def expected_root_norm_bound(mean: PerWeight, sd: PerWeight) -> PerRow:
    """(E ||w||^2)^(1/4) >= E sqrt(||w||_2): gives a lower bound of the ELBO of a group L1/2 prior."""
    return expected_square(mean, sd).sqrt().sqrt()


def expected_norm(mean: PerWeight, sd: PerWeight) -> PerRow:
    """E ||w||_2 to about 1e-10 of itself: the expected penalty of the group Laplace family per unit of rate (P9)."""
    return _expected_power(mean, sd, 0.5)


def expected_root_norm(mean: PerWeight, sd: PerWeight) -> PerRow:
    """E sqrt(||w||_2) to about 1e-10 of itself: the expected penalty of the group L1/2 family per unit of rate (P9)."""
    return _expected_power(mean, sd, 0.25)


def _expected_power(mean: PerWeight, sd: PerWeight, order: float) -> PerRow:
    """E Q^order of Q = ||w||^2, 0 < order < 1, in the dtype of the means; computed in float64.

    With the Laplace transform M of Q it is order / Gamma(1 - order) times the integral of (1 - M(t)) t^(-1 - order) (P9). The
    Gamma law of Q's mean and variance has a known moment, and a transform M_0 that differs from M by t^3 only. So the short
    integral of M_0 - M is left to the trapezoid rule.
    """
    scale = expected_square(mean.double(), sd.double())
    positive = scale > 0
    safe = torch.where(positive, scale, 1.0)
    square, variance = mean.double().square() / safe[:, None], sd.double().square() / safe[:, None]
    relative_variance = (2 * variance * (variance + 2 * square)).sum(dim=1).clamp(min=1e-200)
    t, weights = _nodes(square.detach(), variance.detach(), relative_variance.detach(), order)
    gamma = torch.exp(-torch.log1p(relative_variance[:, None] * t) / relative_variance[:, None])
    correction = (gamma * weights).sum(dim=1) - _summed_transforms(square, variance, t, weights)
    moment = _log_gamma_moment(1 / relative_variance, order).exp() + order / math.gamma(1 - order) * correction
    return torch.where(positive, safe.pow(order) * moment, 0.0).to(mean.dtype)


def _log_gamma_moment(shape: PerRow, order: float) -> PerRow:
    """log E G^order of a Gamma variable of mean 1: lgamma(k + order) - lgamma(k) - order log(k), without cancellation."""
    k, falling = shape, order * (order - 1)
    series = falling / (2 * k) - falling * (2 * order - 1) / (12 * k.square()) + falling**2 / (12 * k.pow(3))
    near = k.clamp(max=_LARGE_SHAPE)
    return torch.where(k > _LARGE_SHAPE, series, torch.lgamma(near + order) - torch.lgamma(near) - order * near.log())


def _nodes(
    square: PerWeight, variance: PerWeight, relative_variance: PerRow, order: float
) -> tuple[Float[Tensor, "nodes"], Float[Tensor, "nodes"]]:
    """t and the weights of the trapezoid rule in log t, to where both transforms are negligible in every row."""
    end = next((end for end in _ENDS if _is_negligible(square, variance, relative_variance, end, order)), _ENDS[-1])
    log_t = torch.arange(_LOWEST, end + _STEP, _STEP, dtype=torch.float64, device=square.device)
    return log_t.exp(), _STEP * torch.exp(-order * log_t)


def _is_negligible(square: PerWeight, variance: PerWeight, relative_variance: PerRow, log_t: float, order: float) -> bool:
    t = math.exp(log_t)
    gamma = torch.exp(-torch.log1p(relative_variance * t) / relative_variance)
    transform = _log_transform(square, variance, t).exp()
    return bool((torch.maximum(gamma, transform) * t**-order < _NEGLIGIBLE).all())


def _log_transform(square: PerWeight, variance: PerWeight, t: float) -> PerRow:
    """log E exp(-t ||w||^2)."""
    growth = 2 * t * variance
    return -(0.5 * torch.log1p(growth) + square * t / (1 + growth)).sum(dim=1)


class _SummedTransforms(torch.autograd.Function):
    """sum_k weight_k E exp(-t_k ||w||^2), its gradient gathered in the same loop, so that no node is kept."""

    @staticmethod
    def forward(ctx, square, variance, t, weights):
        total = torch.zeros(len(square), dtype=square.dtype, device=square.device)
        by_square, by_variance = torch.zeros_like(square), torch.zeros_like(square)
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        for node, weight in zip(t.tolist(), weights.tolist(), strict=True):
            transform = weight * _log_transform(square, variance, node).exp()
            total += transform
            if wanted:
                pull = node / (1 + 2 * node * variance)
                by_square -= transform[:, None] * pull
                by_variance += transform[:, None] * pull * (2 * square * pull - 1)
        ctx.save_for_backward(by_square, by_variance)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients):  # pyright: ignore[reportIncompatibleMethodOverride]
        by_square, by_variance = ctx.saved_tensors
        return gradients[0][:, None] * by_square, gradients[0][:, None] * by_variance, None, None


def _summed_transforms(
    square: PerWeight, variance: PerWeight, t: Float[Tensor, "nodes"], weights: Float[Tensor, "nodes"]
) -> PerRow:
    return _SummedTransforms.apply(square, variance, t, weights)
