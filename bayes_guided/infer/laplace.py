"""Laplace's approximation at a MAP fit: the Gaussian that its curvature describes."""

import copy
import math
import time
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bayes_guided.analysis.curvature import Function, full_ggn, require_separate_cases
from bayes_guided.analysis.kronecker import kronecker_factors
from bayes_guided.analysis.output_hessian import (
    OutputHessian,
    bernoulli_hessian,
    categorical_hessian,
    normal_hessian,
    poisson_hessian,
)
from bayes_guided.exceptions import ConfigError, CurvatureError, PosteriorError
from bayes_guided.infer.batches import Batches, Data, as_batches
from bayes_guided.infer.flat_weights import FlatWeights
from bayes_guided.infer.laplace_fit import LaplaceFit
from bayes_guided.infer.laplace_posterior import STRUCTURES, Structure, assemble
from bayes_guided.infer.map_fit import MAPFit
from bayes_guided.infer.smooth_prior import SmoothPrior
from bayes_guided.likelihoods import Bernoulli, Categorical, Likelihood, Normal, Poisson

MAX_FULL = 8192
"""Weights in a full block: its matrix then takes half a gigabyte."""

_MAX_STEPS = 20
_MAX_HALVINGS = 20
_CONVERGED = 1e-11
_NUMBERS = 2**24


def laplace(fit: MAPFit, data: Data, *, structure: Structure = "full") -> LaplaceFit:
    """The Gaussian posterior at a MAP, in float64, from the GGN of the data's likelihood and the prior's Hessian.

    `data` are those that the MAP was fitted to. `structure`:

    - "full": every correlation, for nets of some thousand weights. The MAP is first improved by Newton steps on the log
      joint, until it is one (`decrement` says how far it still is), so that the evidence does not hang on the optimiser.
    - "kronecker": one pair of factors per linear layer and convolution; the weights that have none (norm scales and shifts,
      gates, convolutions in groups) share one full block.
    - "diagonal": mean field, labelled so.

    Out of the Gaussian are frozen weights, the noise, which stays as fitted, and weights at a kink of the penalty.

    Raises:
        ConfigError: for an unknown structure.
        CurvatureError: if a full block would have more than `MAX_FULL` weights, or a layer has no factors.
        PosteriorError: if no weight is left: every unit is zero and nothing else is trained.
        CovarianceError: if the posterior precision is not positive definite.
        DataError, LabelError: for data that cannot be used.
    """
    if structure not in STRUCTURES:
        raise ConfigError(f'structure="{structure}": give one of {", ".join(STRUCTURES)}.')
    started = time.perf_counter()
    net, likelihood = copy.deepcopy(fit.net).double().eval(), copy.deepcopy(fit.likelihood).double()
    require_separate_cases(net)
    flat = FlatWeights(fit.architecture)
    batches = as_batches(data, 1024, next(net.parameters()).device, torch.float64)
    at = _Expansion(net, likelihood, flat, batches)
    prior = SmoothPrior(fit.prior, flat, flat.of(net).cpu(), flat.trainable(net))
    if not bool(prior.free.any()):
        raise PosteriorError("every weight is at a kink of the penalty or frozen: no Gaussian is left; lower the strength.")
    decrement = None
    if structure == "full":
        prior, curvature, decrement = _improved(at, prior)
    elif structure == "diagonal":
        curvature = {"ggn": at.diagonal(prior)}
    else:
        curvature = at.factors(prior)
    polished = copy.deepcopy(fit.net).eval()
    fit.architecture.write_rows(polished, *flat.split(prior.weights.to(next(polished.parameters()))))
    return LaplaceFit(
        prior=fit.prior,
        likelihood=fit.likelihood,
        net=polished,
        history=fit.history,
        seed=fit.seed,
        seconds=time.perf_counter() - started,
        structure=structure,
        curvature={name: value.cpu() for name, value in curvature.items()},
        log_likelihood=at.log_likelihood(prior.weights),
        decrement=decrement,
    )


class _Expansion:
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
        return self.log_likelihood(weights) - float(prior.prior.penalty(*self.flat.split(weights)))

    def gradient(self, prior: SmoothPrior) -> Float[Tensor, "free"]:
        """Of minus the log joint in the free weights."""
        weights, own = prior.weights.clone().to(self.device).requires_grad_(), prior.weights.clone().requires_grad_()
        total = torch.zeros_like(prior.weights)
        for part in self._parts(weights):
            total -= torch.autograd.grad(part, weights)[0].cpu()
        total += torch.autograd.grad(prior.prior.penalty(*self.flat.split(own)), own)[0]
        return total[prior.free]

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
            return normal_hessian(float(self.likelihood.scale))
        known: dict[type[Likelihood], OutputHessian] = {
            Categorical: categorical_hessian,
            Bernoulli: bernoulli_hessian,
            Poisson: poisson_hessian,
        }
        if type(self.likelihood) not in known:
            raise CurvatureError(f"the curvature of a {type(self.likelihood).__name__} likelihood is not known.")
        return known[type(self.likelihood)]


def _improved(at: _Expansion, prior: SmoothPrior) -> tuple[SmoothPrior, dict[str, Tensor], float]:
    """Newton steps with the GGN, halved until the log joint rises; the last expansion and its decrement."""
    joint = at.log_joint(prior, prior.weights)
    curvature, move, decrement = _newton(at, prior)
    for _ in range(_MAX_STEPS):
        if decrement < _CONVERGED:
            break
        better = _line_search(at, prior, move, joint)
        if better is None:
            break
        prior, joint = better
        curvature, move, decrement = _newton(at, prior)
    return prior, curvature, decrement


def _newton(at: _Expansion, prior: SmoothPrior) -> tuple[dict[str, Tensor], Float[Tensor, "weights"], float]:
    """The curvature, the Newton step in all weights, and what the log joint would rise by if it were quadratic."""
    curvature = {"ggn": at.ggn(prior, prior.free.nonzero()[:, 0])}
    posterior, places = assemble("full", curvature, prior)
    gradient = at.gradient(prior)
    step = posterior.times(gradient[None])[0]
    return curvature, torch.zeros_like(prior.weights).index_copy(0, places, -step), 0.5 * float(gradient @ step)


def _line_search(
    at: _Expansion, prior: SmoothPrior, move: Float[Tensor, "weights"], joint: float
) -> tuple[SmoothPrior, float] | None:
    """The step, halved until the log joint rises; None if it does not."""
    for halving in range(_MAX_HALVINGS):
        candidate = prior.moved(prior.weights + 0.5**halving * move)
        risen = at.log_joint(candidate, candidate.weights)
        if math.isfinite(risen) and risen > joint and bool(candidate.free.any()):
            return candidate, risen
    return None


def _has_factors(module: nn.Module) -> bool:
    """Whether the module is a trained layer of a kind that has Kronecker factors."""
    plain = isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
    return plain and all(parameter.requires_grad for parameter in module.parameters())
