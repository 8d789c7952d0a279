"""`compare`: the implied prior over models beside the posterior survival of every unit, in one reading."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import overload

import torch

from bayes_guided.arguments import require_instance, whole_number
from bayes_guided.exceptions import ComparisonError, ConfigError
from bayes_guided.infer import Fit
from bayes_guided.types import UnitValues

from .layout import assemble
from .notes import notes_of
from .pairing import Pair, Prior, paired
from .posterior import posterior_of
from .result import FORMAT, Comparison
from .side_by_side import side_by_side
from .values import NAN, values_of
from .width_laws import prior_laws


@overload
def compare(
    prior: Prior, fit: Fit, *, reading: str | None = None, tau: float | None = None, curvature: float | None = None,
    draws: int = 1000, level: float = 0.95, margins: UnitValues | None = None, generator: torch.Generator | None = None,
) -> Comparison: ...  # fmt: skip
@overload
def compare(
    prior: Mapping[str, tuple[Prior, Fit]], fit: None = None, *, reading: str | None = None, tau: float | None = None,
    curvature: float | None = None, draws: int = 1000, level: float = 0.95, generator: torch.Generator | None = None,
) -> Comparison: ...  # fmt: skip
def compare(
    prior: Prior | Mapping[str, tuple[Prior, Fit]],
    fit: Fit | None = None,
    *,
    reading: str | None = None,
    tau: float | None = None,
    curvature: float | None = None,
    draws: int = 1000,
    level: float = 0.95,
    margins: UnitValues | None = None,
    generator: torch.Generator | None = None,
) -> Comparison:
    """What the data changed about the model: prior and posterior over models side by side, always in the same reading.

    Args:
        prior: the prior that the fit was made under; or several pairs by name, {name: (prior, fit)}, which come back along a
            dimension "fit" (several guidances on one data set, several data sets under one guidance).
        fit: any fit; left out for several.
        reading: one of `fit.readings`, by default the first. "map" stands beside the prior's evidence reading (`pairing`).
        tau, curvature: what the reading needs.
        draws: joint draws of models, for laws of widths and total correlations where units depend on one another.
        level: probability of the intervals.
        margins: the units' margins, (units,) per group, if they were computed, which needs the data (P17); of a single fit.
        generator: of the draws, on the CPU; by default one of the fit's seed, so that the result repeats.

    Raises:
        ReadingError: if the fit or the prior has no such reading, or its number is missing; the reason is in the message.
        ArchitectureMismatchError, PriorMismatchError: if the fit does not belong to the prior.
        ConfigError: for an argument of the wrong kind, if `draws` is not at least 2, or `level` is not between 0 and 1.
        ExactLimitError: if the prior over models can neither be summed over nor drawn from at this size.
    """
    whole_number("draws", draws, least=2)
    if isinstance(prior, Mapping):
        if margins is not None:
            raise ConfigError("margins are those of one fit: compare each with its own, then join them by side_by_side.")
        for name, pair in prior.items():
            require_instance(f"compare: {name!r}", pair, tuple, "a pair (prior, fit)")
        pairs = {name: paired(*pair, reading, tau=tau, curvature=curvature) for name, pair in prior.items()}
        return side_by_side({name: _compared(pair, draws, level, None, generator) for name, pair in pairs.items()})
    if fit is None:
        raise ComparisonError("compare(prior, fit) needs a fit; several go in a dict {name: (prior, fit)}.")
    return _compared(paired(prior, fit, reading, tau=tau, curvature=curvature), draws, level, margins, generator)


def _compared(
    pair: Pair, draws: int, level: float, margins: UnitValues | None, generator: torch.Generator | None
) -> Comparison:
    generator = pair.fit.generator() if generator is None else generator
    before = prior_laws(pair.models, generator)
    posterior = posterior_of(pair, draws, level, generator)
    values = values_of(pair, before, posterior, margins, generator)
    scalars = {
        "method": pair.fit.method,
        "approximation": pair.fit.approximation,
        "tau": NAN if pair.tau is None else pair.tau,
        "curvature": NAN if pair.curvature is None else pair.curvature,
        "notes": "\n".join(notes_of(pair, before, posterior, values)),
    }
    attributes = {
        "title": "Prior and posterior over models",
        "format": FORMAT,
        "bayes_guided": version("bayes-guided"),
        "reading": pair.reading,
        "prior_reading": pair.prior_reading,
        "level": level,
    }
    return Comparison(assemble(pair.fit.architecture, values, scalars, attributes))
