"""Laplace's approximation of the evidence of a model, split into fit and Occam factor, and tables of several models.

At a MAP w of a model with k weights and the precision P = minus the Hessian of the log joint (or the GGN plus the prior's)

    log p(D | m) = log p(D | w)  +  [ log p(w | m) + (k / 2) log 2 pi - 1/2 log |P| ]
                   fit               log Occam factor

[MacKay1992]. It is exact for linear models with Gaussian noise and prior; against the exact evidence of 32 small logistic
models it erred by up to 0.19 nats (P19). A weight whose prior has a kink at 0 and whose MAP sits there has no Laplace
evidence: remove it from the model and fit again. It is the evidence of one mode: a network has many equal ones, by
permutation and sign, which multiply the evidence of models of different widths by different factors.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.exceptions import PosteriorError


@dataclass(frozen=True)
class LaplaceEvidence:
    """log p(D | m) of one model in nats, `fit` + `log_occam`, and the form of the covariance it rests on."""

    fit: float
    log_occam: float
    num_weights: int
    approximation: str

    @property
    def log_evidence(self) -> float:
        """log p(D | m), nats."""
        return self.fit + self.log_occam


def laplace_evidence(log_likelihood: float, log_prior: float, posterior: GaussianPosterior) -> LaplaceEvidence:
    """The evidence of the model whose MAP has this log likelihood (summed over all data) and log prior density.

    `posterior` is the Gaussian at the MAP; only its log determinant is used. The prior density must be normalised.

    Raises:
        PosteriorError: if a log density is not finite.
        CovarianceError: if the posterior's covariance is not positive definite.
    """
    return laplace_evidence_of(
        log_likelihood, log_prior, float(posterior.log_det_covariance()), len(posterior), posterior.approximation
    )


def laplace_evidence_of(
    log_likelihood: float, log_prior: float, log_det_covariance: float, num_weights: int, approximation: str
) -> LaplaceEvidence:
    """As `laplace_evidence`, from the log determinant alone.

    Raises:
        PosteriorError: if a value is not finite.
    """
    if not all(map(math.isfinite, (log_likelihood, log_prior, log_det_covariance))):
        raise PosteriorError(
            f"log likelihood {log_likelihood}, log prior {log_prior}, log determinant {log_det_covariance}: all must be "
            "finite. A flat prior (a protected unit without a base prior) has no evidence (P6)."
        )
    log_occam = log_prior + 0.5 * (num_weights * math.log(2 * math.pi) + log_det_covariance)
    return LaplaceEvidence(log_likelihood, log_occam, num_weights, approximation)


@dataclass(frozen=True, eq=False)
class EvidenceTable:
    """Several models on the same data, in the order given; everything in nats but `probability`, a fraction.

    `log_bayes_factor` is against the model of the largest evidence, so at most 0. `probability` is the posterior probability
    among these models only.
    """

    names: tuple[str, ...]
    log_evidence: Float[Tensor, "models"]
    fit: Float[Tensor, "models"]
    log_occam: Float[Tensor, "models"]
    log_bayes_factor: Float[Tensor, "models"]
    probability: Float[Tensor, "models"]
    approximations: tuple[str, ...]

    def log_bayes_factor_between(self, first: str, second: str) -> float:
        """log p(D | first) - log p(D | second), nats.

        Raises:
            PosteriorError: if there is no model of that name.
        """
        for name in (first, second):
            if name not in self.names:
                raise PosteriorError(f'there is no model "{name}"; there are {", ".join(self.names)}.')
        return float(self.log_evidence[self.names.index(first)] - self.log_evidence[self.names.index(second)])


def evidence_table(models: Mapping[str, LaplaceEvidence], log_prior: Mapping[str, float] | None = None) -> EvidenceTable:
    """The models side by side; `log_prior` are their log prior probabilities up to a constant, by default equal.

    Raises:
        PosteriorError: if there is no model, or the prior names other models.
    """
    if not models:
        raise PosteriorError("there is no model to compare.")
    if log_prior is not None and set(log_prior) != set(models):
        raise PosteriorError(f"the prior names {sorted(log_prior)}, the models are {sorted(models)}.")
    fit = _column([model.fit for model in models.values()])
    occam = _column([model.log_occam for model in models.values()])
    prior = torch.zeros_like(fit) if log_prior is None else _column([log_prior[name] for name in models])
    evidence = fit + occam
    return EvidenceTable(
        tuple(models),
        evidence,
        fit,
        occam,
        evidence - evidence.max(),
        torch.softmax(evidence + prior, dim=0),
        tuple(model.approximation for model in models.values()),
    )


def _column(values: list[float]) -> Float[Tensor, "models"]:
    return torch.tensor(values, dtype=torch.float64)
