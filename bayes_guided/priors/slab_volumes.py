"""What one unit's row weighs in a joint MAP: the slab's normaliser and the volume that counts as one atom (P11)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import NoMAPError, StrengthError
from bayes_guided.priors.guided import GuidedPrior


def laplace_log_volume(architecture: Architecture, curvature: float) -> dict[str, Float[Tensor, "units"]]:
    """log alpha_u = (D / 2) log(h / 2 pi) of every unit, nats: minus the log volume that Laplace's approximation integrates.

    `curvature` h is that of the summed negative log likelihood per weight. With this alpha the joint MAP's comparison of
    two models is that of their evidences in Laplace's approximation (P11).

    Raises:
        StrengthError: if the curvature is not positive and finite.
    """
    if not 0 < curvature < math.inf:
        raise StrengthError(f"curvature={curvature}: it must be positive and finite.")
    per_weight = math.log(curvature / (2 * math.pi)) / 2
    return {
        group.name: torch.full((group.size,), group.row_dim * per_weight, dtype=torch.float64) for group in architecture.groups
    }


def log_normalizers(prior: GuidedPrior) -> dict[str, Float[Tensor, "units"]]:
    """log Z_u of every unit's row, nats, float64: minus the log density at a row of zeros, where the penalty is 0.

    Raises:
        NoMAPError: if the density is unbounded there.
    """
    result = {}
    for group in prior.architecture.groups:
        zeros = torch.zeros(group.size, group.row_dim, dtype=torch.float64)
        result[group.name] = -prior.distribution(group.name, zeros).log_prob(zeros)
        if not bool(torch.isfinite(result[group.name]).all()):
            raise NoMAPError(
                f"the density of {type(prior.weights).__name__} grows without bound as a row goes to zero, so that a joint "
                "MAP does not exist (P4); use a slab that is bounded, or integrate by SVI or MCMC."
            )
    return result
