"""Prior log odds of every unit, in the reading asked for."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.implied import reading_of
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.nested import NestedLaw, NestedWidth
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior
from bayes_guided.types import UnitValues


def prior_log_odds(
    prior: GuidedPrior | SpikeAndSlabPrior, reading: str, *, tau: float | None = None, curvature: float | None = None
) -> dict[str, Float[Tensor, "units"]]:
    """log P(present) - log P(absent) of every unit before the data, nats, float64 on the CPU; +inf for protected units.

    Of a continuous prior they come straight from the reading, right where the probability is 0 or 1 to double precision.

    Raises:
        ReadingError: if the prior has no such reading, or its number is missing.
    """
    if isinstance(prior, SpikeAndSlabPrior):
        return model_log_odds(prior.model_prior(reading))
    meaning = reading_of(reading, tau=tau, curvature=curvature)
    return {
        name: rows.model_log_odds(meaning).masked_fill(rows.protected, torch.inf) for name, rows in prior.row_priors.items()
    }


def model_log_odds(models: ModelPrior, survival: UnitValues | None = None) -> dict[str, Float[Tensor, "units"]]:
    """Log odds of presence of every unit under a prior over models, nats; +inf for protected units.

    Exact in far tails where units are independent or nested; else they are infinite where the survival is 0 or 1 to double
    precision. `survival` is the prior's `unit_survival()`, where that is known already.
    """
    if isinstance(models, IndependentInclusion):
        costs = models.units.select_values(models.costs)
        return models.units.complete_values({name: -cost for name, cost in costs.items()}, torch.inf)
    if isinstance(models, NestedWidth):
        odds = {name: law.log_odds() for name, law in models.group_laws.items() if isinstance(law, NestedLaw)}
        return models.units.complete_values(odds, torch.inf)
    return {name: torch.logit(values.double().cpu()) for name, values in (survival or models.unit_survival()).items()}
