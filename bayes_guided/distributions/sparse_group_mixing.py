"""The one-dimensional mixing law behind the sparse group Laplace (P3), float64.

At rates (rho, 1), given t = z^2 / 2 the weights of a row are independent: |w_j| = |z| Y_j with Y_j the normal
N(-rho |z|, 1) cut to the positive half line, and random signs. On v = log t the mixing density is proportional to
exp(f(v)) with

    f(v) = v/2 - exp(v) + d [v/2 + log I(rho sqrt(2 exp(v)))],    I the mass of the cut normal (`mills.log_mass`),

which is log-concave with f'(v) = 1/2 - t + (d/2) E[Y^2]; its integral is the normaliser, log Z = zeta_d(rho).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from . import mills
from .quadrature import even_nodes, left_reach, log_integral, right_reach


@dataclass(frozen=True)
class MixingLaw:
    """The mixing law of rows of `dim` weights at the rate ratios `rho` = rate / group_rate, on its quadrature nodes."""

    dim: int
    rho: Float[Tensor, "*units"]
    nodes: Float[Tensor, "*units nodes"]
    """Values of v = log t, evenly spaced, not differentiated."""

    @classmethod
    def at(cls, rho: Float[Tensor, "*units"], dim: int) -> "MixingLaw":
        """The law with nodes that hold all of its mass to float64's rounding."""
        with torch.no_grad():
            peak = _peak(rho, dim)
            # f' - (peak - t) falls with t, so f drops at least as fast as -peak (exp(D) - 1 - D) on both sides.
            nodes = even_nodes(peak.log() - left_reach(peak), peak.log() + right_reach(peak))
        return cls(dim, rho, nodes)

    @property
    def scale(self) -> Float[Tensor, "*units nodes"]:
        """|z| at the nodes."""
        return (2 * self.nodes.exp()).sqrt()

    @property
    def tilt(self) -> Float[Tensor, "*units nodes"]:
        """rho |z| at the nodes: how far the normal's mean lies below the cut."""
        return self.rho.unsqueeze(-1) * self.scale

    @property
    def log_values(self) -> Float[Tensor, "*units nodes"]:
        """f at the nodes, differentiable in rho."""
        return (1 + self.dim) / 2 * self.nodes - self.nodes.exp() + self.dim * mills.log_mass(self.tilt)

    @property
    def slopes(self) -> Float[Tensor, "*units nodes"]:
        """f' at the nodes, differentiable in rho."""
        return 0.5 - self.nodes.exp() + self.dim / 2 * mills.second_moment(self.tilt)

    def log_normalizer(self) -> Float[Tensor, "*units"]:
        """zeta_d(rho) = log Z at rates (rho, 1), in nats; differentiable in rho."""
        return log_integral(self.log_values, self.nodes) + 1.5 * math.log(2) * self.dim - 0.5 * math.log(math.pi)

    def expectation(self, values: Float[Tensor, "*units nodes"]) -> Float[Tensor, "*units"]:
        """Mean under the law of a function given at the nodes."""
        return (torch.softmax(self.log_values, dim=-1) * values).sum(dim=-1)


def zeta(rho: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
    """zeta_d(rho) = log Z(rho, 1) of rows of `dim` weights, in nats; differentiable in rho."""
    if rho.requires_grad:
        return MixingLaw.at(rho, dim).log_normalizer()
    # Guided rates usually share one ratio over a group, at every step: one quadrature then serves all of it.
    ratios, index = torch.unique(rho, return_inverse=True)
    values = _constant_zeta(tuple(ratios.tolist()), dim)
    return torch.tensor(values, dtype=torch.float64, device=rho.device)[index]


@lru_cache(maxsize=256)
def _constant_zeta(ratios: tuple[float, ...], dim: int) -> tuple[float, ...]:
    with torch.no_grad():
        return tuple(MixingLaw.at(torch.tensor(ratios, dtype=torch.float64), dim).log_normalizer().tolist())


def _peak(rho: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
    """The t at which the mixing density in log t is largest, to about 1e-4, by bisection between 1/2 and (d + 1)/2."""
    lower = torch.full_like(rho, math.log(0.5))
    upper = torch.full_like(rho, math.log((dim + 1) / 2))
    for _ in range(16):
        middle = (lower + upper) / 2
        t = middle.exp()
        rises = 0.5 - t + dim / 2 * _rough_second_moment(rho * (2 * t).sqrt()) > 0
        lower, upper = torch.where(rises, middle, lower), torch.where(rises, upper, middle)
    return upper.exp()


def _rough_second_moment(a: Tensor) -> Tensor:
    """E[Y^2] without the continued fraction: enough to place nodes, and cheap inside the bisection."""
    return torch.minimum((1 - a * (mills.hazard(a) - a)).clamp_min(0), 2 / a.square())
