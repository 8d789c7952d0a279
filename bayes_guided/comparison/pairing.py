"""Which prior over models stands beside which posterior: always the same reading, or none.

The reading "map" is the one case to argue. Exact zeros belong to a point, not to a probability (P20); but under the prior odds
of the `evidence` reading the guided regulariser *is* the joint MAP of a spike and slab (P11), so that the zeros are the model
at the mode of that joint posterior. A MAP is therefore shown beside the prior of the evidence reading as the model that it
chooses, without posterior odds, Bayes factors or divergences. So are ensembles of MAPs, whose frequencies of zeros tell of the
optimiser and of resampled data and are no posterior probabilities either (P17).
"""

import math
from dataclasses import dataclass
from typing import Any

from bayes_guided.exceptions import ArchitectureMismatchError, PriorMismatchError, ReadingError
from bayes_guided.infer import Fit
from bayes_guided.priors import GuidedPrior, SpikeAndSlabPrior
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.storage import prior_to_json

Prior = GuidedPrior | SpikeAndSlabPrior

MAP_READING = "map"

_SAME = 1e-9
"""Relative difference up to which two priors' numbers are the same: coefficients read from a file may differ by rounding."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A fit and the prior over models that its survivals in `reading` are to be held against.

    `prior_reading` differs from `reading` only for "map". `tau` and `curvature` are None where the reading does not use them.
    """

    fit: Fit
    prior: Prior
    models: ModelPrior
    reading: str
    prior_reading: str
    tau: float | None
    curvature: float | None

    @property
    def is_point(self) -> bool:
        """Whether the fit's side is exact zeros, which have neither odds nor Bayes factors."""
        return self.reading == MAP_READING


def paired(prior: Prior, fit: Fit, reading: str | None, *, tau: float | None, curvature: float | None) -> Pair:
    """The pair of a prior and a fit under one reading, the first that the fit has if none is named.

    Raises:
        ArchitectureMismatchError: if prior and fit belong to different architectures.
        PriorMismatchError: if the fit was made under another prior.
        ReadingError: if the fit or the prior has no such reading, or its number is missing.
    """
    _require_same(prior, fit)
    reading = fit.readings[0] if reading is None else reading
    if reading not in fit.readings:
        raise ReadingError(_no_such_reading(fit, reading))
    prior_reading = "evidence" if reading == MAP_READING else reading
    tau = tau if prior_reading == "threshold" else None
    curvature = curvature if prior_reading in ("shrinkage", "evidence") else None
    models = _models(prior, reading, prior_reading, tau, curvature)
    return Pair(fit, prior, models, reading, prior_reading, tau, curvature)


def _models(prior: Prior, reading: str, prior_reading: str, tau: float | None, curvature: float | None) -> ModelPrior:
    if reading == MAP_READING and curvature is None:
        raise ReadingError(
            'the reading "map" is held against the prior\'s "evidence" reading, whose joint MAP it is (P11), and that needs '
            "curvature=..., that of the summed negative log likelihood per weight; infer.mean_curvature(fit, data) "
            "measures it."
        )
    if isinstance(prior, GuidedPrior):
        return prior.model_prior(prior_reading, tau=tau, curvature=curvature)
    return prior.model_prior(prior_reading)


def _no_such_reading(fit: Fit, reading: str) -> str:
    if reading == "evidence" and MAP_READING in fit.readings:
        return (
            f'this {fit.method} fit has exact zeros and no posterior odds, so the prior odds of the reading "evidence" have '
            'no counterpart in it. Compare with reading="map", which shows the model it chose beside that prior, or take the '
            "evidence of every unit from a Laplace approximation at the MAP."
        )
    return (
        f'this {fit.method} fit has no survival in the reading "{reading}"; it knows {", ".join(fit.readings)}. A prior in '
        "one reading and a posterior in another cannot be compared: of one belief they differ by orders of magnitude."
    )


def _require_same(prior: Prior, fit: Fit) -> None:
    if prior.architecture.fingerprint != fit.architecture.fingerprint:
        raise ArchitectureMismatchError(
            "the prior and the fit belong to different architectures "
            f"({_shape(prior)} against {_shape(fit)}); compare a fit with the prior it was made under, fit.prior."
        )
    if prior is not fit.prior and not _equal(prior_to_json(prior), prior_to_json(fit.prior)):
        raise PriorMismatchError(
            "the fit was made under another prior than the one given, so that the difference between the two is not what the "
            "data said; compare it with fit.prior, and several fits with a dict {name: (prior, fit)}."
        )


def _shape(owner: Prior | Fit) -> str:
    return "-".join(str(group.size) for group in owner.architecture.groups) + " units"


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=_SAME)
    return left == right
