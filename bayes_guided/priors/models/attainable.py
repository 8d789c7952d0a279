"""Which laws of a width independent units can have, and the nearest that they can (P14).

The generating function of a sum of independent indicators has real roots only: -(1 - p_u) / p_u. Finding roots is hopelessly
ill-conditioned where they coincide (a binomial law), so attainability is decided by fitting: the survivals that
minimise the Kullback-Leibler divergence of the wanted law from the law they give.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from bayes_guided.exceptions import ExactLimitError, UnattainableLawError
from bayes_guided.priors.models.unit_blocks import UnitBlocks

Array = NDArray[np.float64]

MAX_UNITS = 64
"""Units per group up to which a law is decided."""

ATTAINED = 1e-7
"""Total variation distance below which the wanted law counts as attained."""

LARGEST_LOGIT = 60.0  # survivals closer than e^-60 to 0 or 1 are those of a law with impossible widths


def survivals_of_width_law(group: str, log_law: Float[Tensor, "widths"]) -> Float[Tensor, "units"]:
    """Survivals, descending, of independent units whose number has the given log law over 0..U.

    Raises:
        UnattainableLawError: if there are none; it holds the nearest in Kullback-Leibler divergence that was found.
        ExactLimitError: for more than 64 units.
    """
    units = len(log_law) - 1
    if units > MAX_UNITS:
        raise ExactLimitError(
            f"whether independent units can have a width law is decided for up to {MAX_UNITS} units; group '{group}' has "
            f"{units}. Use TiltedWidth or NestedWidth, which have any law."
        )
    wanted = log_law.exp().numpy()
    logits = min((_fit(wanted, start) for start in _starts(wanted)), key=lambda fitted: _loss(fitted, wanted)[0])
    distance = 0.5 * float(np.abs(np.exp(_blocks(logits).log_law()[0]) - wanted).sum())
    survivals = torch.sigmoid(torch.from_numpy(logits)).sort(descending=True).values
    if distance > ATTAINED or float(np.abs(logits).max()) >= LARGEST_LOGIT:
        divergence = max(_loss(logits, wanted)[0] - _entropy(wanted), 0.0)
        raise UnattainableLawError(
            f"independent units cannot have the wanted law of widths of group '{group}': its generating function has "
            f"roots that are not real and negative (P14). The nearest found has survivals from {survivals[0]:.4g} to "
            f"{survivals[-1]:.4g} and misses it by {divergence:.3g} nats (this error's `nearest`); TiltedWidth and "
            "NestedWidth have any law.",
            survivals,
            divergence,
        )
    return survivals


def _starts(wanted: Array) -> list[Array]:
    """Log odds from the roots where they can be told apart, and those of the binomial law with the same mean."""
    units = len(wanted) - 1
    mean = float(wanted @ np.arange(units + 1)) / units
    binomial = np.full(units, np.log(mean) - np.log1p(-mean)) + np.linspace(0.1, -0.1, units)
    scale = np.abs(wanted[::-1]).max()
    roots = np.roots(wanted[::-1] / scale)
    if len(roots) < units or not np.isfinite(roots).all():
        return [np.clip(binomial, -20, 20)]
    return [np.clip(start, -20, 20) for start in (-np.log(np.maximum(np.abs(roots), 1e-30)), binomial)]


def _fit(wanted: Array, start: Array) -> Array:
    bounds = [(-LARGEST_LOGIT, LARGEST_LOGIT)] * len(start)
    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 0.0, "gtol": 1e-13, "maxcor": 30}
    return minimize(_loss, start, args=(wanted,), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x


def _loss(logits: Array, wanted: Array) -> tuple[float, Array]:
    """Cross entropy of the wanted law with the law of the logits, and its gradient sigma(o_u) - E P(m_u | K)."""
    blocks = _blocks(logits)
    gradient = 1 / (1 + np.exp(-logits)) - blocks.marginals(wanted[None])[0]
    possible = wanted > 0
    return float(-(wanted @ np.where(possible, blocks.log_law()[0], 0.0))), gradient


def _blocks(logits: Array) -> UnitBlocks:
    return UnitBlocks.from_log_probabilities(-np.logaddexp(0, -logits)[None], -np.logaddexp(0, logits)[None])


def _entropy(wanted: Array) -> float:
    positive = wanted[wanted > 0]
    return float(-(positive @ np.log(positive)))
