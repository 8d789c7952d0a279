"""The numbers of a comparison, by variable of the dataset."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bayes_guided.exceptions import ExactLimitError
from bayes_guided.infer import Fit, LaplaceFit
from bayes_guided.priors import GuidedPrior
from bayes_guided.priors.log_odds import model_log_odds
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.types import UnitValues

from .divergences import Divergence, Divergences, divergences
from .layout import flags, per_group_rows
from .pairing import Pair
from .posterior import Posterior
from .width_laws import PriorLaws, WidthLaws, laws_of_draws, laws_of_models

Values = dict[str, NDArray[np.generic] | float]
"""Variables of `layout.VARIABLES` that one fit has; NaN where it has no answer."""

NAN = float("nan")


def values_of(
    pair: Pair, before: PriorLaws, posterior: Posterior, margins: UnitValues | None, generator: torch.Generator
) -> Values:
    """All variables of one fit."""
    return (
        _of_fit(pair.fit, margins)
        | _of_units(pair, before, posterior)
        | _of_laws(pair.fit, before, posterior)
        | _of_draws(pair.models, posterior, generator)
        | _of_divergences(pair, before, posterior)
        | _of_evidence(pair.fit)
        | {"model_log_prior": float(pair.models.log_prob(pair.fit.sub_architecture()))}
    )


def _of_fit(fit: Fit, margins: UnitValues | None) -> Values:
    architecture, sub = fit.architecture, fit.sub_architecture()
    slab = fit.prior if isinstance(fit.prior, GuidedPrior) else fit.prior.slab_prior
    return {
        "guidance": per_group_rows(architecture, slab.coefficients),
        "protected": flags(architecture, fit.protected),
        "in_model": flags(architecture, sub.masks),
        "row_norm": per_group_rows(architecture, {name: rows.norm(dim=1) for name, rows in fit.rows.items()}),
        "margin": per_group_rows(architecture, _nothing(fit) if margins is None else margins),
        "model_width": np.array(list(sub.widths.values()), dtype=np.float64),
        "model_size": float(sub.num_units),
    }


def _of_units(pair: Pair, before: PriorLaws, posterior: Posterior) -> Values:
    architecture, protected = pair.fit.architecture, pair.fit.protected
    prior_odds = model_log_odds(pair.models, before.survival)
    factors = {
        name: torch.where(prior_odds[name].isfinite(), odds - prior_odds[name], NAN).masked_fill(protected[name], 0.0)
        for name, odds in posterior.log_odds.items()
    }
    lower, upper = posterior.interval or (_nothing(pair.fit), _nothing(pair.fit))
    nothing = _nothing(pair.fit)
    columns = {
        "prior_survival": before.survival,
        "posterior_survival": posterior.survival,
        "posterior_lower": lower,
        "posterior_upper": upper,
        "prior_log_odds": prior_odds,
        "posterior_log_odds": nothing if pair.is_point else posterior.log_odds,
        "log_bayes_factor": nothing if pair.is_point else factors,
    }
    return {name: per_group_rows(architecture, column) for name, column in columns.items()}


def _of_laws(fit: Fit, before: PriorLaws, posterior: Posterior) -> Values:
    values = _law_values(fit, before.laws, before.survival, "prior")
    return values | _law_values(fit, _posterior_laws(posterior), posterior.survival, "posterior")


def _posterior_laws(posterior: Posterior) -> WidthLaws | None:
    if posterior.law is not None:
        return laws_of_models(posterior.law)
    return None if posterior.masks is None else laws_of_draws(posterior.masks)


def _law_values(fit: Fit, laws: WidthLaws | None, survival: UnitValues, side: str) -> Values:
    architecture = fit.architecture
    if laws is None:
        widths = {group.name: torch.full((group.size + 1,), NAN) for group in architecture.groups}
        laws = WidthLaws(widths, torch.full((architecture.num_units + 1,), NAN))
    effective = np.array([float(values.nansum()) for values in survival.values()])
    return {
        f"{side}_width_pmf": per_group_rows(architecture, laws.widths, longer=1),
        f"{side}_size_pmf": laws.size.numpy(),
        f"{side}_effective_width": effective,
        f"{side}_effective_size": float(effective.sum()),
    }


def _of_draws(models: ModelPrior, posterior: Posterior, generator: torch.Generator) -> Values:
    """Widths of drawn models, where both sides can be drawn from."""
    if posterior.masks is None:
        return {}
    try:
        before = models.sample(len(next(iter(posterior.masks.values()))), generator)
    except ExactLimitError:
        return {}
    sides = {"prior": before, "posterior": posterior.masks}
    return {
        f"{side}_width": torch.stack([masks[name].sum(dim=1) for name in posterior.masks], dim=1).cpu().numpy()
        for side, masks in sides.items()
    }


def _of_divergences(pair: Pair, before: PriorLaws, posterior: Posterior) -> Values:
    names = [group.name for group in pair.fit.architecture.groups]
    if pair.is_point:
        nothing = Divergence(NAN, NAN, NAN, NAN, NAN)
        found = Divergences(_nothing(pair.fit), dict.fromkeys(names, nothing), nothing)
    else:
        found = divergences(pair.models, model_log_odds(pair.models, before.survival), posterior)
    columns = {
        "divergence": "nats",
        "divergence_error": "standard_error",
        "divergence_lower_bound": "lower_bound",
        "total_correlation": "total_correlation",
        "coverage": "coverage",
    }
    values: Values = {"unit_divergence": per_group_rows(pair.fit.architecture, found.units)}
    for name, field in columns.items():
        values[name] = np.array([getattr(found.groups[group], field) for group in names])
        values[f"{name}_all"] = getattr(found.whole, field)
    return values


def _of_evidence(fit: Fit) -> Values:
    if not isinstance(fit, LaplaceFit):
        return dict.fromkeys(("log_evidence", "log_fit", "log_occam_factor"), NAN)
    found = fit.evidence
    return {"log_evidence": found.log_evidence, "log_fit": found.fit, "log_occam_factor": found.log_occam}


def _nothing(fit: Fit) -> dict[str, Tensor]:
    return {group.name: torch.full((group.size,), NAN) for group in fit.architecture.groups}
