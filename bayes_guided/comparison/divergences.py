"""How far the posterior over models is from the prior over models: KL(q(m) || p(m)), per group and in all, nats (P21).

KL = -H(q) - E_q log p(m), with H(q) = sum_u H(q_u) - TC(q). For a prior with independent units that is the sum of the units'
divergences plus the total correlation, and the sum alone is a lower bound; for other priors it is no bound and left out.
Under correlated units TC comes from draws, and only where they have seen most of the posterior's models: else the entropy of
the draws is that of their number, and the divergence would be theirs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.analysis.divergence import TotalCorrelation, total_correlation, unit_divergences
from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors import IndependentInclusion
from bayes_guided.priors.factorised import FactorisedPrior
from bayes_guided.priors.model_prior import ModelPrior
from bayes_guided.types import Masks, UnitValues

from .posterior import Posterior

TRUSTED_COVERAGE = 0.9
"""Share of the posterior's models that draws must have seen before a total correlation is read off them."""

_NAN = float("nan")
_NONE = TotalCorrelation(_NAN, _NAN, _NAN, 0)
_EXACTLY_ZERO = TotalCorrelation(0.0, 0.0, 1.0, 0)

LogProb = Callable[[Masks], Float[Tensor, "draws"]]


@dataclass(frozen=True)
class Divergence:
    """KL(q || p) and its parts in nats, NaN where unknown; `coverage` as in `analysis.divergence.TotalCorrelation`.

    `standard_error` is that of the total correlation, 0 where it is exact.
    """

    nats: float
    lower_bound: float
    total_correlation: float
    standard_error: float
    coverage: float


@dataclass(frozen=True, eq=False)
class Divergences:
    """Per unit (nats, (units,) per group; 0 for protected units), per group, and of the whole model."""

    units: UnitValues
    groups: Mapping[str, Divergence]
    whole: Divergence


def divergences(models: ModelPrior, prior_log_odds: UnitValues, posterior: Posterior) -> Divergences:
    """All divergences of a posterior from a prior."""
    index = models.units.index
    survival = {name: posterior.survival[name][index[name]] for name in index}
    units = {name: unit_divergences(survival[name], prior_log_odds[name][index[name]]) for name in index}
    masks = None if posterior.masks is None else {name: mask[:, index[name]] for name, mask in posterior.masks.items()}
    return Divergences(
        {name: torch.zeros_like(posterior.survival[name]).index_copy(0, index[name], units[name]) for name in index},
        {name: _divergence(models, posterior, [name], survival, units, masks) for name in index},
        _divergence(models, posterior, list(index), survival, units, masks),
    )


def _divergence(
    models: ModelPrior,
    posterior: Posterior,
    names: list[str],
    survival: UnitValues,
    units: UnitValues,
    masks: Mapping[str, Bool[Tensor, "draws _"]] | None,
) -> Divergence:
    """Of the named groups together; everything here is about unprotected units."""
    drawn = None if masks is None else {name: masks[name] for name in names}
    found = _total_correlation(posterior, drawn)
    correlation = max(found.nats, 0.0) if found.coverage >= TRUSTED_COVERAGE else _NAN
    bound = sum(float(units[name].sum()) for name in names)
    if isinstance(models, IndependentInclusion):
        return Divergence(bound + correlation, bound, correlation, found.standard_error, found.coverage)
    entropy = sum(_entropy(survival[name]) for name in names) - correlation
    nats = _NAN if drawn is None else -entropy - _expected_log_prob(models, names, drawn)
    return Divergence(nats, _NAN, correlation, found.standard_error, found.coverage)


def _total_correlation(posterior: Posterior, masks: Mapping[str, Tensor] | None) -> TotalCorrelation:
    if posterior.independent is not None:
        return _EXACTLY_ZERO
    if masks is None or len(next(iter(masks.values()))) < 2:
        return _NONE
    return total_correlation(torch.cat(list(masks.values()), dim=1))


def _entropy(survival: Float[Tensor, "_"]) -> float:
    return -float((torch.xlogy(survival, survival) + torch.xlogy(1 - survival, 1 - survival)).sum())


def _expected_log_prob(models: ModelPrior, names: list[str], masks: Mapping[str, Tensor]) -> float:
    """E_q log p of the groups' masks; NaN for a part of a prior that does not factorise over groups, or is too large."""
    try:
        if isinstance(models, FactorisedPrior):
            return sum(float(models.group_laws[name].log_prob(masks[name]).mean()) for name in names)
        if len(names) == len(models.architecture.groups):
            return float(models.log_prob_masks(models.units.complete_masks(masks)).mean())
    except ExactLimitError:
        return _NAN
    return _NAN
