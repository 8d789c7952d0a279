"""The posterior over models as a law with exact widths, entropy and draws, for fits whose q(m) is one in closed form."""

import torch
from torch import Tensor

from bayes_guided.guides.inclusion import SPEED, BernoulliInclusion, InclusionLaw
from bayes_guided.guides.inclusion_law import Inclusion
from bayes_guided.guides.width import IMPOSSIBLE, NestedInclusion
from bayes_guided.guides.width_tilted import TiltedInclusion
from bayes_guided.infer import Fit
from bayes_guided.infer.inclusion.result import InclusionFit
from bayes_guided.priors import IndependentInclusion, NestedWidth, TiltedWidth
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.shared_budget import SharedBudget
from bayes_guided.types import UnitValues

CERTAIN = 700.0
"""Log odds at which a unit counts as certain: nearer to certainty, neither probability changes in double precision."""


@torch.no_grad()
def posterior_law(fit: Fit, reading: str, log_odds: UnitValues) -> ModelPrior | None:
    """q(m) of a fit, given its log odds in the reading; None where only draws know how its units depend on one another."""
    if isinstance(fit, InclusionFit):
        return _of_inclusion(fit.guide.inclusion, log_odds)
    if fit.independent_units(reading):
        costs = {name: -odds.clamp(-CERTAIN, CERTAIN) for name, odds in log_odds.items()}
        return IndependentInclusion(fit.architecture, costs, protected=fit.protected)
    return None


def _of_inclusion(inclusion: Inclusion, log_odds: UnitValues) -> ModelPrior:
    units, laws = inclusion.guided, inclusion.blocks()
    kinds = {type(law) for law in laws}
    if kinds == {BernoulliInclusion}:
        costs = {name: -odds.clamp(-CERTAIN, CERTAIN) for name, odds in log_odds.items()}
        return IndependentInclusion(units.architecture, costs, protected=units.protected)
    if len(laws) == 1 and len(inclusion.places) > 1:
        sizes = units.complete_size_law(_possible(laws[0].log_width_law()))
        return SharedBudget(units.architecture, sizes, _costs(inclusion), protected=units.protected)
    widths = {name: _possible(inclusion.log_width_pmf(name)) for name in units.names}
    if kinds == {NestedInclusion}:
        return NestedWidth(units.architecture, widths, protected=units.protected)
    return TiltedWidth(units.architecture, widths, _costs(inclusion), protected=units.protected)


def _possible(log_law: Tensor) -> Tensor:
    log_law = log_law.cpu()
    return log_law.masked_fill(log_law < IMPOSSIBLE / 2, -torch.inf)


def _costs(inclusion: Inclusion) -> dict[str, Tensor]:
    """Minus the log odds of every unit given the width, up to a constant per block."""
    return {name: value.cpu() for name, value in inclusion.complete([_tilts(law) for law in inclusion.blocks()], 0.0).items()}


def _tilts(law: InclusionLaw) -> Tensor:
    return -SPEED * law.logits if isinstance(law, TiltedInclusion) else -law.log_odds()
