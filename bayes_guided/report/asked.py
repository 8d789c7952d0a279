"""The prior in words: what was asked of the network."""

import math
from collections.abc import Iterator

import numpy as np
import xarray as xr
from markupsafe import Markup

from bayes_guided.priors import GuidedPrior, IndependentInclusion

from .numbers import count, factor, log_ratio, number
from .reported_run import ReportedRun

_FEW_GROUPS = 4
"""Of more groups only the first and the last are spelled out."""


def asked(run: ReportedRun) -> list[Markup]:
    """Sentences on the prior over models: what it is, which sizes and which units it prefers, and by how much."""
    return [_prior(run), _sizes(run), *_factors(run), *_units(run)]


def _prior(run: ReportedRun) -> Markup:
    prior, attributes = run.config.prior, run.comparison.dataset.attrs
    family = Markup("<b>{}</b> at strength <b>{}</b> under {} guidance").format(
        prior.family, number(prior.strength), _profile(run)
    )
    reading = Markup("the reading “{}”").format(attributes["prior_reading"])
    if run.config.models is not None:
        return Markup("A spike and slab: a prior over models of kind <b>{}</b> ({}), with {} as the slab.").format(
            run.config.models.kind, reading, family
        )
    numbers = {name: float(run.comparison.dataset[name]) for name in ("tau", "curvature")}
    given = "".join(f", {name} {number(value)}" for name, value in numbers.items() if not np.isnan(value))
    return Markup("{}. A penalty on weights is a prior over models in more than one way: here in {}{}.").format(
        family, reading, given
    )


def _profile(run: ReportedRun) -> str:
    settings = run.config.prior.guidance.model_dump(mode="json", exclude_none=True)
    name = settings.pop("profile", "custom")
    numbers = ", ".join(f"{key} {value}" for key, value in settings.items() if isinstance(value, int | float | str))
    return f"{name} ({numbers})" if numbers else str(name)


def _sizes(run: ReportedRun) -> Markup:
    dataset = run.comparison.dataset
    total = int(dataset["num_units"].sum())
    widths = [
        f"{number(float(part['prior_effective_width']), 3)} of {int(part['num_units']):,} in {part['group'].item()}"
        for part in (dataset.sel(group=group) for group in run.comparison.groups)
    ]
    each = f" ({', '.join(widths)})" if 1 < len(widths) <= _FEW_GROUPS else ""
    return Markup("Before the data it expects <b>{}</b> of {} units to be present{}.").format(
        number(float(dataset["prior_effective_size"]), 3), f"{total:,}", each
    )


def _factors(run: ReportedRun) -> Iterator[Markup]:
    """How much more probable the size that the fit chose, or else the one expected, is than the full one."""
    dataset = run.comparison.dataset
    pmf = dataset["prior_size_pmf"].values
    total, chosen = int(dataset["num_units"].sum()), int(dataset["model_size"])
    if chosen == total or not pmf[chosen] > 0:
        chosen = round(float(dataset["prior_effective_size"]))
    ratio, is_bound = log_ratio(float(pmf[chosen]), float(pmf[total]))
    if is_bound and pmf[chosen] > 0 and _independent(run):
        # The full size is one model, whose probability in logs does not end where doubles do.
        ratio, is_bound = math.log(pmf[chosen]) - _log_prob_of_all_units(dataset), False
    if chosen != total and not np.isnan(ratio):
        text = "A network of <b>{} units</b> is {}{} probable {} one of <b>{}</b>."
        compared = factor(ratio)
        yield Markup(text).format(
            count(chosen), "at least " if is_bound else "", compared, "as" if compared == "as" else "than", count(total)
        )
    log_prior = float(dataset["model_log_prior"])
    if not np.isnan(log_prior):
        text = "The one model that the fit chose, these very units, had prior probability e<sup>{}</sup>."
        yield Markup(text).format(number(log_prior, 4))


def _independent(run: ReportedRun) -> bool:
    prior = run.fit.prior
    return isinstance(prior, GuidedPrior) or isinstance(prior.models, IndependentInclusion)


def _log_prob_of_all_units(dataset: xr.Dataset) -> float:
    odds = dataset["prior_log_odds"].values
    return -float(np.logaddexp(0, -odds[~np.isnan(odds)]).sum())


def _units(run: ReportedRun) -> Iterator[Markup]:
    """The first and the last guided unit of a group or two."""
    dataset = run.comparison.dataset
    groups = run.comparison.groups
    for group in groups if len(groups) <= _FEW_GROUPS else (groups[0], groups[-1]):
        part = dataset.sel(group=group).isel(unit=slice(int(dataset["num_units"].sel(group=group))))
        guided = np.flatnonzero(~part["protected"].values)
        if not len(guided):
            yield Markup("Every unit of {} is protected: present in every model.").format(group)
            continue
        ends = [
            (int(place), *(float(part[name].values[place]) for name in ("guidance", "prior_survival")))
            for place in (guided[0], guided[-1])
        ]
        # Of a spike and slab the dataset has the slab's guidance, which has no say in what is present.
        of = "" if run.config.models is not None else " (guidance {})"
        shown = [f"unit {place}{of.format(number(g, 3))} is present with probability {number(p, 3)}" for place, g, p in ends]
        yield Markup("In {} {}.").format(group, ", ".join(dict.fromkeys(shown)))
