"""Laws of widths and sizes by simulation, for priors that can be drawn from but not summed over."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.width_sampler import WidthEstimates

CHUNK = 2**22
"""Units drawn at a time."""

LAW_DRAWS = 4000
"""Independent draws from which laws are estimated that have no exact method."""

TRUSTED_R_HAT = 1.05
"""Largest potential scale reduction under which the errors of Markov chains are to be trusted."""


def simulated_laws(prior: ModelPrior, generator: torch.Generator | None) -> tuple[WidthEstimates, str]:
    """Estimates, and how they were made in words. Independent draws come first: they need no judgement of convergence.

    Raises:
        ExactLimitError: if the prior can neither be drawn from at this size nor walked over by Markov chains.
    """
    try:
        return estimate_from_draws(prior, LAW_DRAWS, generator), f"estimated from {LAW_DRAWS:,} draws"
    except ExactLimitError:
        if not isinstance(prior, GibbsComplexity):
            raise
    estimates = prior.estimate(generator=generator)
    trust = "" if estimates.r_hat <= TRUSTED_R_HAT else ", too large to trust the errors"
    return estimates, f"estimated by Markov chains (R-hat {estimates.r_hat:.3f}{trust})"


def estimate_from_draws(prior: ModelPrior, draws: int, generator: torch.Generator | None = None) -> WidthEstimates:
    """Frequencies of widths, sizes and units in independent draws, with binomial standard errors; `r_hat` is 1.

    Raises:
        ExactLimitError: if the prior cannot be drawn from at this size.
    """
    sizes = {group.name: group.size for group in prior.architecture.groups}
    present = {name: torch.zeros(size, dtype=torch.float64) for name, size in sizes.items()}
    widths = {name: torch.zeros(size + 1, dtype=torch.float64) for name, size in sizes.items()}
    totals = torch.zeros(sum(sizes.values()) + 1, dtype=torch.float64)
    at_a_time = max(1, CHUNK // sum(sizes.values()))
    for start in range(0, draws, at_a_time):
        masks = {name: mask.cpu() for name, mask in prior.sample(min(at_a_time, draws - start), generator).items()}
        counts = {name: mask.sum(dim=1) for name, mask in masks.items()}
        for name, mask in masks.items():
            present[name] += mask.sum(dim=0)
            widths[name] += torch.bincount(counts[name], minlength=len(widths[name]))
        totals += torch.bincount(torch.stack(list(counts.values())).sum(dim=0), minlength=len(totals))
    return WidthEstimates(
        width_pmf={name: _frequencies(counted, draws) for name, counted in widths.items()},
        size_pmf=_frequencies(totals, draws),
        unit_survival={name: _frequencies(counted, draws) for name, counted in present.items()},
        r_hat=1.0,
    )


def _frequencies(counted: Float[Tensor, "_"], draws: int) -> Estimate:
    share = counted / draws
    return Estimate(share, (share * (1 - share) / draws).sqrt())
