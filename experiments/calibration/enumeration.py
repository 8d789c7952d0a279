"""The exact posterior over all models, by the package's evidence functions.

The posterior of the full model is Gaussian. Savage-Dickey's ratio takes any set of units out of it (P19), which is exact here.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

import bayes_guided as bg
from bayes_guided.analysis.curvature import full_ggn, network_function
from bayes_guided.analysis.gaussian_evidence import normal_log_density_at_zero, removal_log_evidence
from bayes_guided.analysis.gaussian_posterior import FullGaussian
from bayes_guided.analysis.output_hessian import normal_hessian

from .problem import Problem


@dataclass(frozen=True, eq=False)
class Enumeration:
    """Every model of the problem under a prior."""

    problem: Problem
    prior: bg.SpikeAndSlabPrior

    @cached_property
    def masks(self) -> Tensor:
        """Every model, bool (2^U, U)."""
        return torch.tensor(list(product([False, True], repeat=self.problem.config.units)))

    def probabilities(self, targets: Tensor) -> Tensor:
        """p(m | y) of every model, (2^U,)."""
        posterior = self.full_posterior(targets)
        evidences = torch.stack([removal_log_evidence(posterior, w, at_zero) for w, at_zero in self._removals])
        return (evidences + self._log_prior).softmax(0)

    @cached_property
    def _log_prior(self) -> Tensor:
        return self.prior.models.log_prob_masks({"inputs": self.masks})

    @cached_property
    def precision(self) -> Tensor:
        """Precision of each weight under the slab, (U,): `exp(-r w^2)` has variance 1 / (2 r)."""
        return 2 * self.prior.slab_prior.row_priors["inputs"].rates

    @cached_property
    def _removals(self) -> list[tuple[Tensor, float]]:
        """For every model the weights it lacks, and the slab's log density of these at zero."""
        removed = [(~mask).nonzero().flatten() for mask in self.masks]
        return [(w, float(normal_log_density_at_zero(self.precision[w][:, None]).sum())) for w in removed]

    @cached_property
    def _curvature(self) -> Tensor:
        function, point = network_function(self.problem.net, ["inputs.weight"])
        return full_ggn(function, point, [self.problem.inputs], normal_hessian(self.problem.config.noise_scale))

    def full_posterior(self, targets: Tensor) -> FullGaussian:
        """The posterior of the full model's weights. The NLL is quadratic: its slope at zero and its curvature say all."""
        function, point = network_function(self.problem.net, ["inputs.weight"])
        zero = torch.zeros_like(point, requires_grad=True)
        nll = -self.problem.likelihood.log_prob(function(zero, self.problem.inputs), targets).sum()
        (slope,) = torch.autograd.grad(nll, zero)
        precision = self._curvature + self.precision.diag()
        return FullGaussian.from_precision(torch.linalg.solve(precision, -slope), precision)
