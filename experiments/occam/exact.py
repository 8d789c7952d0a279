"""The exact evidence of every model of a regression, and the exact posterior over models under any prior."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor, nn
from torch.distributions import Normal

import bayes_guided as bg
from bayes_guided.analysis.gaussian_evidence import normal_log_density_at_zero, removal_log_evidence, unit_evidence
from bayes_guided.analysis.gaussian_posterior import FullGaussian
from bayes_guided.analysis.laplace import LaplaceEvidence, laplace_evidence
from bayes_guided.priors.models.model_prior import ModelPrior

from .regression import Regression

GROUP = "inputs"


def architecture_of(units: int) -> bg.Architecture:
    """The architecture whose units are the gates on so many fixed features, summed up."""
    head = nn.Linear(units, 1, bias=False, dtype=torch.float64)
    head.weight = nn.Parameter(torch.ones_like(head.weight), requires_grad=False)
    example = torch.ones(2, units, dtype=torch.float64)
    net, _ = bg.Architecture.with_gates(head, example, inputs=True, signed=True)
    return bg.Architecture.from_module(net, example)


@dataclass(frozen=True, eq=False)
class Evidences:
    """All 2^U models of a regression whose weights are N(0, slab_variance) where their unit is present; values in nats."""

    regression: Regression
    slab_variance: float

    @property
    def units(self) -> int:
        """U."""
        return self.regression.design.shape[1]

    @cached_property
    def masks(self) -> Tensor:
        """Every model, bool (2^U, U)."""
        return torch.tensor(list(product([False, True], repeat=self.units)))

    @cached_property
    def full(self) -> FullGaussian:
        """The posterior of all weights in the model that has all units."""
        return self._posterior(torch.arange(self.units))

    @cached_property
    def log_evidence(self) -> Tensor:
        """log p(D | m) of every model, (2^U,): Savage-Dickey's ratios to the full model, exact here (P19)."""
        at_zero = float(normal_log_density_at_zero(torch.full((1, 1), 1 / self.slab_variance)))
        absent = [(~mask).nonzero().flatten() for mask in self.masks]
        ratios = [removal_log_evidence(self.full, removed, at_zero * len(removed)) for removed in absent]
        return torch.stack(ratios) + self.parts(torch.arange(self.units)).log_evidence

    @property
    def unit_log_bayes_factors(self) -> Tensor:
        """log p(D | all units) - log p(D | all but this one), (U,)."""
        at_zero = normal_log_density_at_zero(torch.full((self.units, 1), 1 / self.slab_variance))
        return unit_evidence(self.full, torch.arange(self.units)[:, None], at_zero).log_bayes_factor

    def parts(self, present: Tensor) -> LaplaceEvidence:
        """Best fit and Occam factor of one model, exact here; `present` are its units, at least one."""
        data, posterior = self.regression, self._posterior(present)
        means = data.design[:, present] @ posterior.mean
        log_likelihood = Normal(means, data.noise_scale).log_prob(data.targets).sum()
        log_prior = Normal(0.0, self.slab_variance**0.5).log_prob(posterior.mean).sum()
        return laplace_evidence(float(log_likelihood), float(log_prior), posterior)

    def _posterior(self, present: Tensor) -> FullGaussian:
        design = self.regression.design[:, present] / self.regression.noise_scale
        precision = design.T @ design + torch.eye(len(present), dtype=design.dtype) / self.slab_variance
        projected = design.T @ self.regression.targets / self.regression.noise_scale
        return FullGaussian.from_precision(torch.linalg.solve(precision, projected), precision)


@dataclass(frozen=True, eq=False)
class ModelPosterior:
    """p(m | D) under a prior over models, summed over all of them."""

    evidences: Evidences
    prior: ModelPrior

    @cached_property
    def log_prior(self) -> Tensor:
        """log p(m) of every model, (2^U,)."""
        return self.prior.log_prob_masks({GROUP: self.evidences.masks})

    @cached_property
    def probabilities(self) -> Tensor:
        """p(m | D) of every model, (2^U,)."""
        return (self.log_prior + self.evidences.log_evidence).softmax(0)

    @property
    def log_evidence(self) -> float:
        """log p(D) with the models summed out."""
        return float((self.log_prior + self.evidences.log_evidence).logsumexp(0))

    @property
    def inclusion(self) -> Tensor:
        """P(m_u = 1 | D), (U,)."""
        return self.probabilities @ self.evidences.masks.double()

    @property
    def width_law(self) -> Tensor:
        """P(K = k | D), (U + 1,)."""
        law = torch.zeros(self.evidences.units + 1, dtype=torch.float64)
        return law.index_add_(0, self.evidences.masks.sum(dim=1), self.probabilities)

    @property
    def divergence(self) -> float:
        """KL(p(m | D) || p(m))."""
        possible = self.probabilities > 0
        after = self.probabilities[possible]
        return float(after @ (after.log() - self.log_prior[possible]))
