"""Evidence for units from one Gaussian posterior: Savage-Dickey and Bayesian model reduction, in nats (P19).

If the prior factorises over the removed weights S and the rest, Bayes' rule at w_S = 0 gives for any likelihood

    log p(D | without S) - log p(D | full) = log p(w_S = 0 | D) - log p(w_S = 0).

With a Gaussian for the posterior this is exact in a linear model with Gaussian noise and an approximation elsewhere: it is
good for ranking the removal of single units, and can be wrong by tens of nats for the removal of many (P19), whose evidence
takes a refit (`laplace`). It is local to the mode that the Gaussian describes: where units are interchangeable, the evidence
of a slot is the mean over roles, not this number. The mean-field posterior, being too narrow, is wrong even in a linear
model, by the gap that is reported beside.

A unit of a network may be removed by its outgoing weights alone, or by its incoming and outgoing weights together. The exact
posterior gives the same answer both ways, a Gaussian does not: read it at the outgoing weights (P19).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.analysis.symmetric_matrix import cholesky, log_det
from bayes_guided.exceptions import ImproperPriorError, PosteriorError

SCOPE = (
    "one mode, with protected weights kept and the likelihood's own parameters as fitted; the removal of one set of weights "
    "from the full model"
)


@dataclass(frozen=True, eq=False)
class UnitEvidence:
    """Evidence for keeping each unit while all others stay.

    `log_bayes_factor` is log p(D | full) - log p(D | without the unit), nats, positive where the data want the unit.
    `mean_field_gap` is what the best posterior with independent units would add to the log Bayes factor *against* each unit,
    nats; None where the posterior itself is mean field, so that the gap is unknown. `approximation` names the covariance.
    """

    log_bayes_factor: Float[Tensor, "units"]
    mean_field_gap: Float[Tensor, "units"] | None
    approximation: str
    scope: str = SCOPE


def removal_log_evidence(
    posterior: GaussianPosterior, removed: Int[Tensor, "removed"], log_prior_at_zero: float
) -> Float[Tensor, ""]:
    """log p(D | without the removed weights) - log p(D | full), nats, by Savage-Dickey.

    `log_prior_at_zero` is the prior's joint log density of the removed weights at 0, for units the sum of theirs.

    Raises:
        ImproperPriorError: if that density is not finite: a flat prior has none, the horseshoe's is unbounded.
        CovarianceError: if the removed weights' covariance is not positive definite.
        PosteriorError: if the index leaves the posterior's weights.
    """
    _require_density(log_prior_at_zero)
    return _log_normal_at_zero(*_marginal(posterior, removed), len(removed)) - log_prior_at_zero


def unit_evidence(
    posterior: GaussianPosterior, rows: Int[Tensor, "units row"], log_prior_at_zero: Float[Tensor, "densities"]
) -> UnitEvidence:
    """The evidence for each unit, whose weights are `rows[u]` in the posterior and whose prior log density at 0 is given.

    Raises:
        ImproperPriorError, CovarianceError, PosteriorError: as `removal_log_evidence`.
    """
    if len(rows) != len(log_prior_at_zero):
        raise PosteriorError(f"{len(rows)} units need {len(rows)} prior densities; got {len(log_prior_at_zero)}.")
    factorised = posterior.approximation == "mean field"
    evidence, gaps = torch.zeros(2, len(rows), dtype=torch.float64, device=posterior.mean.device)
    for unit, (row, density) in enumerate(zip(rows, log_prior_at_zero.tolist(), strict=True)):
        _require_density(density)
        distance, log_det_covariance = _marginal(posterior, row)
        evidence[unit] = density - _log_normal_at_zero(distance, log_det_covariance, len(row))
        if not factorised:
            gaps[unit] = _gap(posterior, row, distance, log_det_covariance)
    return UnitEvidence(evidence, None if factorised else gaps, posterior.approximation)


def mean_field_gap(posterior: GaussianPosterior, weights: Int[Tensor, "removed"]) -> Float[Tensor, ""]:
    """By how much the best posterior with these weights independent of the rest errs in the log Bayes factor of removal, nats.

    -1/2 mu' (Lambda_uu - Sigma_uu^-1) mu + 1/2 log |Lambda_uu Sigma_uu|: the first term is never positive and unbounded, the
    second never negative (P19).

    Raises:
        CovarianceError: if a block is not positive definite.
    """
    return _gap(posterior, weights, *_marginal(posterior, weights))


def model_reduction(
    posterior: GaussianPosterior,
    weights: Int[Tensor, "some"],
    prior_precision: Float[Tensor, "some"],
    reduced_precision: Float[Tensor, "some"],
) -> Float[Tensor, ""]:
    """log p(D | reduced prior) - log p(D | prior), nats, when the precision of these weights' N(0, .) prior changes.

    Only the marginal of the weights whose prior changes is needed (P19). As the reduced precision grows this becomes
    `removal_log_evidence`.

    Raises:
        ImproperPriorError: if a precision is not positive and finite.
        CovarianceError: if the weights' covariance, or their precision under the reduced prior, is not positive definite.
    """
    for precision in (prior_precision, reduced_precision):
        if not bool((torch.isfinite(precision) & (precision > 0)).all()):
            raise ImproperPriorError(
                "a prior precision is not positive and finite: the evidence of a flat prior is undefined."
            )
    change = reduced_precision.double() - prior_precision.double()
    mean = posterior.mean[weights]
    covariance = cholesky(posterior.covariance_block(weights), "the weights' covariance")
    precision = torch.cholesky_inverse(covariance)
    reduced = cholesky(precision + change.diag(), "the weights' precision under the reduced prior")
    left, right = torch.linalg.solve_triangular(reduced, torch.stack([change * mean, precision @ mean], 1), upper=False).T
    priors = reduced_precision.double().log().sum() - prior_precision.double().log().sum()
    return 0.5 * (priors - log_det(reduced) - log_det(covariance)) - 0.5 * left @ right


def normal_log_density_at_zero(precision: Float[Tensor, "units row"]) -> Float[Tensor, "units"]:
    """log N(0; 0, diag(1 / precision)) of every row, nats; minus infinity for a row with a flat weight."""
    return 0.5 * (precision.double() / (2 * math.pi)).log().sum(dim=1)


def _marginal(posterior: GaussianPosterior, weights: Int[Tensor, "some"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """mean' covariance^-1 mean and log |covariance| of these weights."""
    distance, log_det_covariance = posterior.covariance_matrix(weights).inverse_gram(posterior.mean[weights][:, None])
    return distance[0, 0], log_det_covariance


def _gap(
    posterior: GaussianPosterior,
    weights: Int[Tensor, "some"],
    distance: Float[Tensor, ""],
    log_det_covariance: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """The mean-field gap from the two numbers of `_marginal`."""
    mean = posterior.mean[weights][:, None]
    precision = posterior.precision_matrix(weights)
    _, log_det_precision = precision.inverse_gram(mean[:, :0])
    return 0.5 * (distance - precision.gram(mean)[0, 0] + log_det_precision + log_det_covariance)


def _log_normal_at_zero(distance: Float[Tensor, ""], log_det_covariance: Float[Tensor, ""], count: int) -> Float[Tensor, ""]:
    return -0.5 * (distance + log_det_covariance + count * math.log(2 * math.pi))


def _require_density(log_prior_at_zero: float) -> None:
    if not math.isfinite(log_prior_at_zero):
        raise ImproperPriorError(
            f"the prior's log density at zero is {log_prior_at_zero}: Savage-Dickey needs a proper prior with a finite "
            "density there. Protected units have no evidence (P6); for the horseshoe compare survival at small tau (P19)."
        )
