"""The data's log likelihood around a point: its value, its gradient with the prior's, and its curvature in three forms."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bayes_guided.analysis.curvature import Function, full_ggn
from bayes_guided.analysis.kronecker import kronecker_factors
from bayes_guided.analysis.output_hessian import (
    OutputHessian,
    bernoulli_hessian,
    categorical_hessian,
    normal_hessian,
    poisson_hessian,
)
from bayes_guided.exceptions import CurvatureError
from bayes_guided.infer.mode.flat_weights import FlatWeights
from bayes_guided.infer.mode.smooth_prior import SmoothPrior
from bayes_guided.infer.training.batches import Batches
from bayes_guided.likelihoods import Bernoulli, Categorical, Likelihood, Normal, Poisson

MAX_FULL = 8192
"""Weights in a full block: its matrix then takes half a gigabyte."""

_NUMBERS = 2**24


class Expansion:
    """The data's likelihood as a function of the flat weights, and its curvature."""

    def __init__(self, net: nn.Module, likelihood: Likelihood, flat: FlatWeights, batches: Batches) -> None:
        self.net, self.likelihood, self.flat, self.batches = net, likelihood, flat, batches
        self.buffers = dict(net.named_buffers())
        self.device = batches.device

    def outputs(self, weights: Float[Tensor, "weights"], inputs: Tensor) -> Tensor:
        """The network's outputs, (batch, outputs)."""
        parameters = self.flat.architecture.parameters(*self.flat.split(weights))
        outputs = torch.func.functional_call(self.net, parameters | self.buffers, (inputs,))
        return outputs[:, None] if outputs.dim() == 1 else outputs

    def log_likelihood(self, weights: Float[Tensor, "weights"]) -> float:
        """Of all data, nats."""
        with torch.no_grad():
            return sum(float(part) for part in self._parts(weights.to(self.device)))

    def log_joint(self, prior: SmoothPrior, weights: Float[Tensor, "weights"]) -> float:
        """Up to a constant, nats."""
        return self.log_likelihood(weights) - prior.penalty(weights)

    def likelihood_gradient(self, weights: Float[Tensor, "weights"]) -> Float[Tensor, "weights"]:
        """Of minus the log likelihood in all weights, on the CPU."""
        point, total = weights.to(self.device, copy=True).requires_grad_(), torch.zeros_like(weights)
        for part in self._parts(point):
            total -= torch.autograd.grad(part, point)[0].cpu()
        return total

    def gradient(self, prior: SmoothPrior) -> Float[Tensor, "free"]:
        """Of minus the log joint in the free weights."""
        own = prior.weights.clone().requires_grad_()
        penalty = torch.autograd.grad(prior.prior.penalty(*self.flat.split(own)), own)[0]
        return (self.likelihood_gradient(prior.weights) + penalty)[prior.free]

    def ggn(self, prior: SmoothPrior, places: Int[Tensor, "some"]) -> Float[Tensor, "some some"]:
        """In full, of these weights."""
        if len(places) > MAX_FULL:
            raise CurvatureError(
                f"a full covariance of {len(places)} weights is too large (at most {MAX_FULL}); use "
                'structure="kronecker" or "diagonal".'
            )
        function = self._function(prior, places)
        return full_ggn(
            function, prior.weights[places].to(self.device), self._inputs(prior, len(places)), self._hessian()
        ).cpu()

    def diagonal(self, prior: SmoothPrior) -> Float[Tensor, "free"]:
        """The diagonal alone, of the free weights."""
        places = prior.free.nonzero()[:, 0]
        function = self._function(prior, places)
        point, hessian = prior.weights[places].to(self.device), self._hessian()
        one = torch.func.jacrev(lambda weights, case: function(weights, case[None])[0])
        total = torch.zeros(len(places), dtype=torch.float64, device=self.device)
        for batch in self._inputs(prior, len(places)):
            jacobians = torch.func.vmap(one, in_dims=(None, 0))(point, batch)
            total += torch.einsum("noi,nop,npi->i", jacobians, hessian(function(point, batch).detach()), jacobians)
        return total.cpu()

    def factors(self, prior: SmoothPrior) -> dict[str, Tensor]:
        """Kronecker factors of the layers that can have them, their outputs at a kink left out, and a block of the others."""
        names = [name for name, module in self.net.named_modules() if _has_factors(module)]
        found = kronecker_factors(self.net, names, (inputs for inputs, _ in self.batches.sweep()), self._hessian())
        curvature: dict[str, Tensor] = {}
        others = prior.free.clone()
        for name, factors in found.items():
            places = self.flat.parameters[f"{name}.weight"].flatten(1)
            if factors.has_bias:
                places = torch.cat([places, self.flat.parameters[f"{name}.bias"][:, None]], dim=1)
            kept = prior.free[places].any(dim=1)
            if not bool(kept.any()):
                continue
            others[places] = False
            curvature[f"{name}.outputs"] = factors.outputs[kept.to(self.device)][:, kept.to(self.device)]
            curvature[f"{name}.inputs"], curvature[f"{name}.places"] = factors.inputs, places[kept]
        curvature["others.places"] = others.nonzero()[:, 0]
        if bool(others.any()):
            curvature["others"] = self.ggn(prior, curvature["others.places"])
        return curvature

    def _parts(self, weights: Float[Tensor, "weights"]) -> Iterator[Tensor]:
        for inputs, targets in self.batches.sweep():
            outputs = self.outputs(weights, inputs)
            self.likelihood.check(targets, outputs)
            yield self.likelihood.log_prob(outputs, targets).sum()

    def _function(self, prior: SmoothPrior, places: Int[Tensor, "some"]) -> Function:
        """The outputs as a function of these weights, the others fixed."""
        whole, index = prior.weights.to(self.device), places.to(self.device)

        def function(point: Tensor, inputs: Tensor) -> Tensor:
            return self.outputs(whole.index_copy(0, index, point), inputs)

        return function

    def _inputs(self, prior: SmoothPrior, count: int) -> Iterator[Tensor]:
        """Batches so small that their Jacobians fit."""
        for inputs, _ in self.batches.sweep():
            width = self.outputs(prior.weights.to(self.device), inputs[:1]).shape[1]
            yield from inputs.split(max(1, _NUMBERS // (width * count)))

    def _hessian(self) -> OutputHessian:
        if isinstance(self.likelihood, Normal):
            scale = self.likelihood.scale
            return normal_hessian(float(scale.detach()) if isinstance(scale, Tensor) else scale)
        known: dict[type[Likelihood], OutputHessian] = {
            Categorical: categorical_hessian,
            Bernoulli: bernoulli_hessian,
            Poisson: poisson_hessian,
        }
        if type(self.likelihood) not in known:
            raise CurvatureError(f"the curvature of a {type(self.likelihood).__name__} likelihood is not known.")
        return known[type(self.likelihood)]


def _has_factors(module: nn.Module) -> bool:
    """Whether the module is a trained layer of a kind that has Kronecker factors."""
    plain = isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
    return plain and all(parameter.requires_grad for parameter in module.parameters())
