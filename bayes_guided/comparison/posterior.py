"""The posterior over models under one reading, as far as a fit tells it: marginals, and joint draws where units depend."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from bayes_guided.exceptions import ReadingError
from bayes_guided.infer import EnsembleFit, Fit, MAPFit, SVIFit
from bayes_guided.infer.mcmc.result import MCMCFit
from bayes_guided.infer.svi.kept_draws import KeptDraws
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.types import UnitValues

from .pairing import Pair
from .posterior_law import posterior_law

AT_A_TIME = 2**24
"""Weights drawn at a time, so that a large network's draws do not fill the memory."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """What a fit says of the models.

    `survival` (fractions) and `log_odds` (nats) are per unit, NaN for units that the fit does not know; `interval` are ends
    for `survival`, or None. `law` is the whole law of the models where it has a closed form; else None, and the product of the
    marginals would mislead (P15). `masks` are joint draws, (draws, units) per group, or None with the `refusal` that says why.
    """

    survival: UnitValues
    log_odds: UnitValues
    interval: tuple[UnitValues, UnitValues] | None
    law: ModelPrior | None
    masks: Mapping[str, Bool[Tensor, "draws _"]] | None
    refusal: str = ""


def posterior_of(pair: Pair, draws: int, level: float, generator: torch.Generator) -> Posterior:
    """The fit's side of a pair."""
    fit, known = pair.fit, {"tau": pair.tau, "curvature": pair.curvature}
    survival = fit.unit_survival(pair.reading, **known)
    log_odds = fit.unit_log_odds(pair.reading, **known)
    interval = fit.survival_interval(pair.reading, **known, level=level)
    law = posterior_law(fit, pair.reading, log_odds)
    if law is not None:
        return Posterior(survival, log_odds, interval, law, law.sample(draws, generator))
    try:
        masks = _joint_draws(pair, draws, generator)
    except ReadingError as refusal:  # the reading exists, its marginals are above: there are no joint models
        return Posterior(survival, log_odds, interval, None, None, str(refusal))
    return Posterior(survival, log_odds, interval, None, masks)


def _joint_draws(pair: Pair, draws: int, generator: torch.Generator) -> dict[str, Bool[Tensor, "draws _"]]:
    """At most `draws`: what is made of stored draws or members has no more than those."""
    fit = pair.fit
    if isinstance(fit, MAPFit):  # one point, whatever the number of draws
        return {name: mask.expand(draws, -1) for name, mask in fit.masks(pair.reading, 1, generator=generator).items()}
    stored = _stored_draws(fit)
    if stored is not None:
        return fit.masks(pair.reading, min(stored, draws), tau=pair.tau, curvature=pair.curvature, generator=generator)
    weights = sum(group.size * group.row_dim for group in fit.architecture.groups) + fit.architecture.rest_size
    at_a_time = max(1, AT_A_TIME // weights)
    parts = [
        fit.masks(pair.reading, min(at_a_time, draws - start), tau=pair.tau, curvature=pair.curvature, generator=generator)
        for start in range(0, draws, at_a_time)
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _stored_draws(fit: Fit) -> int | None:
    """How many draws a fit consists of (a Pyro AutoGuide's are kept), None if it makes new ones whenever it is asked."""
    if isinstance(fit, EnsembleFit):
        return len(fit)
    if isinstance(fit, SVIFit) and isinstance(fit.guide, KeptDraws):
        return len(fit.guide)
    return len(fit.samples) if isinstance(fit, MCMCFit) else None
