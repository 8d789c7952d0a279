"""How far a MAP is from deciding otherwise about each unit (P17): no probability, but of use where there is none.

It is all there is to say of units that are exactly zero, which no Gaussian at the MAP describes.
"""

import copy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.curvature import require_separate_cases
from bayes_guided.analysis.margin import removal_margins
from bayes_guided.arguments import require_instance
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer.map.result import MAPFit
from bayes_guided.infer.mode.expansion import Expansion
from bayes_guided.infer.mode.flat_weights import FlatWeights
from bayes_guided.infer.mode.newton import improved
from bayes_guided.infer.mode.smooth_prior import SmoothPrior
from bayes_guided.infer.training.batches import Data, as_batches
from bayes_guided.priors.rows.row_prior import RowPrior
from bayes_guided.priors.rows.weights import GroupLaplace, Laplace, SparseGroupLaplace
from bayes_guided.types import Masks, UnitValues

SMALL = 512
"""Up to so many weights the others are fitted again without each unit, unless told otherwise."""

WITH_MARGIN = (GroupLaplace, Laplace, SparseGroupLaplace)
"""The families whose penalty has a kink at 0 of which the rate is the slope."""

_NEARLY_ZERO = 1e-6
"""Of a row's own length: where a ReLU unit still has a gradient, which at 0 it has not (P28)."""


@dataclass(frozen=True, eq=False)
class Margins:
    """The factor on each unit's guidance at which the MAP changes its mind, (units,) per group.

    `margin` is r_crit / r_u: above 1, how much more guidance would remove the unit; below 1, how much less would keep it;
    infinite for protected units. `critical_rate` is r_crit, in nats per weight for the norm's rate. `alive` says which units
    the MAP keeps. `approximation` says how the margins of those were found.
    """

    margin: UnitValues
    critical_rate: UnitValues
    alive: Masks
    approximation: str


def margins(fit: MAPFit, data: Data, *, refit: bool | None = None) -> Margins:
    """r_crit / r_u of every unit at a MAP (P17), for penalties with a kink of the norm or the weights at 0.

    For a unit that is gone, r_crit comes from the gradient of the summed negative log likelihood at the MAP. For one that is
    alive, it is the gradient with the row taken to 0 along its own direction, the others fitted again without it by Newton's
    method (`refit`, by default in nets of up to 512 trained weights), units that are gone free to return, or left as they are.
    In a convex problem the former is exact; in a network every margin is local to this mode. A ReLU unit whose whole row is
    zero has gradient 0 whatever the data (P28): its margin of 0 says that this fit cannot bring it back, not that the data
    do not want it.

    Raises:
        ReadingError: if the penalty has no kink at 0 of which the rate is the slope (Normal, GroupSqrtLaplace, the horseshoe).
        ConfigError: if the fit is no MAP.
        CurvatureError: if a norm or dropout layer ties cases together, or the network is too large to refit.
        DataError, LabelError: for data that cannot be used.
    """
    require_instance("fit", fit, MAPFit, "what fit_map returned: a margin is that of a MAP")
    if not isinstance(fit.prior.weights, WITH_MARGIN):
        raise ReadingError(
            f"{type(fit.prior.weights).__name__} has no margin: no finite rate is the slope at which its penalty lets a row "
            "leave zero. GroupLaplace, Laplace and SparseGroupLaplace have one (P17)."
        )
    net, flat = copy.deepcopy(fit.net).double().eval(), FlatWeights(fit.architecture)
    require_separate_cases(net)
    batches = as_batches(data, 1024, next(net.parameters()).device, torch.float64)
    at = Expansion(net, copy.deepcopy(fit.likelihood).double(), flat, batches)
    prior = SmoothPrior(fit.prior, flat, flat.of(net).cpu(), flat.trainable(net))
    refit = int(prior.trained.sum()) <= SMALL if refit is None else refit
    here = at.likelihood_gradient(prior.weights)
    margin, critical, alive = {}, {}, {}
    for name, row_prior in fit.prior.row_priors.items():
        places = flat.rows[name][:, row_prior.columns]
        alive[name] = prior.weights[places].any(dim=1)
        gradients = here[places]
        for unit in (alive[name] & ~row_prior.protected).nonzero()[:, 0].tolist():
            gradients[unit] = _gradient_without(at, prior, places[unit], refit)
        margin[name] = _margins(row_prior, gradients)
        critical[name] = margin[name] * row_prior.rates
        critical[name][row_prior.protected] = torch.inf
    how = "the others fitted again without it" if refit else "the others as at the MAP: a local number"
    return Margins(margin, critical, alive, f"margin of one mode (P17); of each unit that is alive, with {how}")


def _gradient_without(at: Expansion, prior: SmoothPrior, row: Int[Tensor, "row"], refit: bool) -> Float[Tensor, "row"]:
    """The summed negative log likelihood's gradient in a unit's penalised weights, the unit taken to zero."""
    whole = prior.weights[row]
    without = replace(prior, weights=prior.weights.index_fill(0, row, 0.0))
    if refit and bool(without.free.any()):
        others = (prior.owner >= 0) & prior.trained
        others[row] = False
        without, _, _ = improved(at, without, others)
    return at.likelihood_gradient(without.weights.index_copy(0, row, _NEARLY_ZERO * whole))[row]


def _margins(row_prior: RowPrior, gradients: Float[Tensor, "units row"]) -> Float[Tensor, "units"]:
    weights, rates = row_prior.weights, row_prior.rates
    if isinstance(weights, GroupLaplace):
        return removal_margins(gradients, norm_rates=rates)
    if isinstance(weights, Laplace):
        return removal_margins(gradients, l1_rates=rates)
    assert isinstance(weights, SparseGroupLaplace)  # margins() has refused all others
    norm = (1 - weights.mix) * row_prior.dim**0.5 * rates
    return removal_margins(gradients, norm_rates=norm, l1_rates=weights.mix * rates)
