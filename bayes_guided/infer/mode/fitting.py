"""Laplace's approximation at a MAP fit: the Gaussian that its curvature describes."""

import copy
import time
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from bayes_guided.analysis.curvature import require_separate_cases
from bayes_guided.arguments import require_instance
from bayes_guided.exceptions import ConfigError, PosteriorError
from bayes_guided.infer.map.result import MAPFit
from bayes_guided.infer.mode.expansion import Expansion
from bayes_guided.infer.mode.flat_weights import FlatWeights
from bayes_guided.infer.mode.newton import improved
from bayes_guided.infer.mode.posterior import STRUCTURES, Structure
from bayes_guided.infer.mode.result import LaplaceFit
from bayes_guided.infer.mode.smooth_prior import SmoothPrior
from bayes_guided.infer.training.batches import Data, as_batches


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
        ConfigError: for an unknown structure, or a fit that is no MAP.
        CurvatureError: if a full block would have more than 8192 weights, or a layer has no factors.
        PosteriorError: if no weight is left: every unit is zero and nothing else is trained.
        CovarianceError: if the posterior precision is not positive definite.
        DataError, LabelError: for data that cannot be used.
    """
    if structure not in STRUCTURES:
        raise ConfigError(f'structure="{structure}": give one of {", ".join(STRUCTURES)}.')
    require_instance("fit", fit, MAPFit, "what fit_map returned: Laplace's approximation is at a MAP")
    started = time.perf_counter()
    found = expand(fit, data, structure, FlatWeights(fit.architecture).trainable(fit.net))
    if not bool(found.prior.free.any()):
        raise PosteriorError("every weight is at a kink of the penalty or frozen: no Gaussian is left; lower the strength.")
    net = copy.deepcopy(fit.net).eval()
    weights = found.prior.weights.to(next(net.parameters()))
    fit.architecture.write_rows(net, *found.prior.flat.split(weights))
    return LaplaceFit(
        prior=fit.prior,
        likelihood=fit.likelihood,
        net=net,
        history=fit.history,
        seed=fit.seed,
        seconds=time.perf_counter() - started,
        structure=structure,
        curvature=found.curvature,
        log_likelihood=found.log_likelihood,
        decrement=found.decrement,
    )


@dataclass(frozen=True, eq=False)
class Expanded:
    """What Laplace's approximation needs to know at a MAP: the prior around it, the likelihood there and its curvature."""

    prior: SmoothPrior
    curvature: dict[str, Tensor]
    log_likelihood: float
    decrement: float | None


def expand(fit: MAPFit, data: Data, structure: Structure, trained: Bool[Tensor, "weights"]) -> Expanded:
    """The expansion in the `trained` weights of a MAP, all others constants; no curvature if none is free.

    Raises:
        CurvatureError, CovarianceError, DataError, LabelError: as `laplace`.
    """
    net, flat = copy.deepcopy(fit.net).double().eval(), FlatWeights(fit.architecture)
    require_separate_cases(net)
    batches = as_batches(data, 1024, next(net.parameters()).device, torch.float64)
    at = Expansion(net, copy.deepcopy(fit.likelihood).double(), flat, batches)
    prior = SmoothPrior(fit.prior, flat, flat.of(net).cpu(), trained)
    if not bool(prior.free.any()):
        return Expanded(prior, {}, at.log_likelihood(prior.weights), 0.0)
    decrement = None
    if structure == "full":
        prior, curvature, decrement = improved(at, prior)
    else:
        curvature = {"ggn": at.diagonal(prior)} if structure == "diagonal" else at.factors(prior)
    kept = {name: value.cpu() for name, value in curvature.items()}
    return Expanded(prior, kept, at.log_likelihood(prior.weights), decrement)
