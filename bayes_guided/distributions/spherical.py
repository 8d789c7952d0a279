"""Geometry shared by the densities that depend on a row through its Euclidean norm only."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def row_norm(value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*shape"]:
    """Euclidean norm of each row, whose derivative at an all-zero row is the subgradient 0 at every order."""
    if not torch.is_grad_enabled():
        return torch.linalg.vector_norm(value, dim=-1)  # without a copy of the rows, which may be most of the memory
    zero = ~value.any(dim=-1)
    # The norm of ones stands in for a zero row, so that no infinite derivative enters the graph, not even times zero.
    return torch.linalg.vector_norm(value.masked_fill(zero.unsqueeze(-1), 1.0), dim=-1).masked_fill(zero, 0.0)


def uniform_directions(shape: torch.Size, reference: Tensor) -> Float[Tensor, "*shape row"]:
    """Points uniform on the unit sphere of the last axis, with the dtype and device of `reference`."""
    normal = torch.randn(shape, dtype=reference.dtype, device=reference.device)
    tiny = torch.finfo(reference.dtype).tiny
    return normal / torch.linalg.vector_norm(normal, dim=-1, keepdim=True).clamp_min(tiny)


def standard_gamma(concentration: float, shape: torch.Size, reference: Tensor) -> Float[Tensor, "*shape"]:
    """Draws of Gamma(concentration, 1), with the dtype and device of `reference`."""
    full = torch.full(shape, concentration, dtype=reference.dtype, device=reference.device)
    return torch._standard_gamma(full)  # pyright: ignore[reportPrivateImportUsage]


def log_sphere_area(dim: int) -> float:
    """Log surface area of the unit sphere in `dim` dimensions, log[2 pi^(d/2) / Gamma(d/2)] (P2)."""
    return math.log(2.0) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
