"""What the data changed about the model: Bayes factors of units, and the divergence of q(m) from p(m), in nats (P21).

If the prior has independent units, for any posterior q over models with inclusion probabilities q_u

    KL(q || p) = sum_u KL(Bern q_u || Bern pi_u) + TC(q),    TC(q) = sum_u H(q_u) - H(q) >= 0,

so that the divergence computed from the units alone is a lower bound, exact iff the units are independent under q.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.analysis.convergence import series_error
from bayes_guided.exceptions import ImproperPriorError, PosteriorError

PerUnit = Float[Tensor, "units"]


@dataclass(frozen=True)
class TotalCorrelation:
    """An estimate from draws of q: TC(q) in nats, its standard error, and how much of q the draws have seen.

    `coverage` is the estimated probability (Good-Turing) of the models that were drawn, a fraction: far below 1 most models
    were never seen, and `nats` says little. `models` counts the distinct models drawn.
    """

    nats: float
    standard_error: float
    coverage: float
    models: int


def unit_log_bayes_factors(prior_log_odds: PerUnit, posterior_log_odds: PerUnit) -> PerUnit:
    """log p(D | m_u = 1) - log p(D | m_u = 0) of every unit, nats: posterior minus prior log odds (P21).

    The posterior's may be infinite, as where every draw has the unit.

    Raises:
        ImproperPriorError: if a prior log odds is infinite, as a protected unit's: its evidence is undefined (P6).
        PosteriorError: if a posterior log odds is NaN.
    """
    if not bool(torch.isfinite(prior_log_odds).all()):
        raise ImproperPriorError(
            "a unit has no finite prior log odds; leave protected units out: their evidence is undefined (P6)."
        )
    if bool(torch.isnan(posterior_log_odds).any()):
        raise PosteriorError("a posterior log odds is NaN.")
    return posterior_log_odds - prior_log_odds


def unit_divergences(posterior: PerUnit, prior_log_odds: PerUnit) -> PerUnit:
    """KL(Bern q_u || Bern sigma(o_u)) of every unit, nats, from posterior inclusion probabilities, which may be 0 or 1.

    Infinite where the prior excludes what the posterior has. Their sum is a lower bound of KL(q(m) || p(m)) for a prior with
    independent units, short by the total correlation of q.

    Raises:
        PosteriorError: if a posterior probability is outside [0, 1].
    """
    if not bool(((posterior >= 0) & (posterior <= 1)).all()):
        raise PosteriorError("a posterior inclusion probability is outside 0 to 1.")
    q, odds = posterior.double(), prior_log_odds.double()
    present = _cross(q, torch.nn.functional.softplus(-odds))
    absent = _cross(1 - q, torch.nn.functional.softplus(odds))
    return present + absent + torch.xlogy(q, q) + torch.xlogy(1 - q, 1 - q)


def total_correlation(masks: Bool[Tensor, "draws units"]) -> TotalCorrelation:
    """TC(q) from draws of q, independent or in the order of a chain, by entropies of frequencies.

    Miller and Madow's correction is for independent draws. The bias that remains is of the order of the unseen models: read it
    beside `coverage`.

    Raises:
        PosteriorError: if there are fewer than two draws.
    """
    draws = len(masks)
    if draws < 2:
        raise PosteriorError(f"total correlation needs at least two draws; got {draws}.")
    _, which, counts = torch.unique(masks, dim=0, return_inverse=True, return_counts=True)
    joint = counts.double() / draws
    units = masks.double().mean(dim=0)
    varying = int(((units > 0) & (units < 1)).sum())
    of_units = -(torch.xlogy(units, units) + torch.xlogy(1 - units, 1 - units)).sum()
    correction = (varying - (len(counts) - 1)) / (2 * draws)
    seen = torch.where(masks, units.log(), torch.log1p(-units)).sum(dim=1)
    pointwise = joint.log()[which] - seen
    return TotalCorrelation(
        nats=float(of_units + torch.xlogy(joint, joint).sum()) + correction,
        standard_error=series_error(pointwise),
        coverage=_coverage(which, counts),
        models=len(counts),
    )


def _coverage(which: Int[Tensor, "draws"], counts: Int[Tensor, "models"]) -> float:
    """Good and Turing's estimate of the probability of the models drawn: one less the share of those that came only once.

    A chain that stays where it is has come once. A model of more than half of the draws is known, however often it came.
    """
    draws = len(which)
    starts = torch.cat([which.new_ones(1), which.diff()]) != 0
    once = (torch.bincount(which[starts], minlength=len(counts)) == 1) & (2 * counts <= draws)
    return 1 - float(counts[once].sum()) / draws


def _cross(probability: PerUnit, cost: PerUnit) -> PerUnit:
    """probability * cost, 0 where the probability is, also at an infinite cost."""
    return torch.where(probability > 0, probability * cost, 0.0)
