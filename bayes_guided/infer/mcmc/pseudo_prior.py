"""Pseudo-priors: the law of the rows of absent units in a chain that walks over models and weights together.

In the product space of Carlin and Chib [CarlinChib1995] a chain holds a row for every unit, present or not. The row of an
absent unit enters neither the likelihood nor the prior; it follows a density of our choice, the pseudo-prior, which changes
nothing about the posterior of the models and of the present rows. It decides only how often the chain moves: the closer it is
to the unit's posterior given presence, the more often an absent unit is let in.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_FEWEST = 20
"""Draws while present below which the earlier pseudo-prior of a unit stays."""
_FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class RowGaussians:
    """One normal density per row of a group, with full covariance; `factor` is its lower Cholesky factor."""

    mean: Float[Tensor, "units row"]
    factor: Float[Tensor, "units row row"]

    def log_prob(self, rows: Float[Tensor, "units row"]) -> Float[Tensor, "units"]:
        """Log density of every row, nats; differentiable."""
        centred = (rows - self.mean).unsqueeze(-1)
        white = torch.linalg.solve_triangular(self.factor, centred, upper=False).squeeze(-1)
        log_volume = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        return -0.5 * white.square().sum(dim=-1) - log_volume - 0.5 * rows.shape[-1] * math.log(2 * math.pi)

    def sample(self) -> Float[Tensor, "units row"]:
        """One row per unit, from torch's generator."""
        white = torch.randn(self.mean.shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + (self.factor @ white.unsqueeze(-1)).squeeze(-1)

    def to_tree(self) -> dict[str, Any]:
        """Mean and factor."""
        return {"mean": self.mean, "factor": self.factor}


def fit_row_gaussians(
    rows: Float[Tensor, "draws units row"], present: Bool[Tensor, "draws units"], before: RowGaussians | None = None
) -> RowGaussians:
    """Means and covariances of every row over the draws in which its unit is present.

    The covariance is shrunk towards its diagonal, by less the more draws there are for the row's length. Units that were
    hardly ever present keep their density in `before`.
    """
    counts = present.sum(dim=0).to(rows)
    weights = present.to(rows).unsqueeze(-1)
    mean = (rows * weights).sum(dim=0) / counts.clamp(min=1).unsqueeze(-1)
    centred = (rows - mean) * weights
    covariance = torch.einsum("nui,nuj->uij", centred, centred) / counts.clamp(min=1)[:, None, None]
    length = rows.shape[-1]
    share = (counts / (counts + length + 5))[:, None, None]
    diagonal = covariance.diagonal(dim1=-2, dim2=-1)
    floor = _FLOOR + 1e-6 * diagonal.mean(dim=-1, keepdim=True)
    shrunk = share * covariance + torch.diag_embed((1 - share.squeeze(-1)) * diagonal + floor)
    fitted = RowGaussians(mean, torch.linalg.cholesky(shrunk))
    if before is None:
        return fitted
    enough = counts >= max(_FEWEST, 2 * length)
    return RowGaussians(
        torch.where(enough[:, None], fitted.mean, before.mean),
        torch.where(enough[:, None, None], fitted.factor, before.factor),
    )
