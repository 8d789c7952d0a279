"""Prior log odds of every unit, in the reading asked for."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.implied import reading_of
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior


def prior_log_odds(
    prior: GuidedPrior | SpikeAndSlabPrior, reading: str, *, tau: float | None = None, curvature: float | None = None
) -> dict[str, Float[Tensor, "units"]]:
    """log P(present) - log P(absent) of every unit before the data, nats, float64 on the CPU; +inf for protected units.

    Of a continuous prior they come straight from the reading, right where the probability is 0 or 1 to double precision.

    Raises:
        ReadingError: if the prior has no such reading, or its number is missing.
    """
    if isinstance(prior, SpikeAndSlabPrior):
        survival = prior.model_prior(reading).unit_survival()
        return {name: torch.logit(values.double().cpu()) for name, values in survival.items()}
    meaning = reading_of(reading, tau=tau, curvature=curvature)
    return {
        name: rows.model_log_odds(meaning).masked_fill(rows.protected, torch.inf) for name, rows in prior.row_priors.items()
    }
