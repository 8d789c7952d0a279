"""Newton's method on the log joint from near a MAP, with the GGN for a Hessian and kinks respected."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.exceptions import CovarianceError
from bayes_guided.infer.expansion import Expansion
from bayes_guided.infer.laplace_posterior import assemble
from bayes_guided.infer.smooth_prior import SmoothPrior

_MAX_STEPS = 20
_MAX_HALVINGS = 20
_CONVERGED = 1e-11


def improved(at: Expansion, prior: SmoothPrior) -> tuple[SmoothPrior, dict[str, Tensor], float]:
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


def _newton(at: Expansion, prior: SmoothPrior) -> tuple[dict[str, Tensor], Float[Tensor, "weights"], float]:
    """The curvature, the Newton step in all weights, and what the log joint would rise by if it were quadratic."""
    curvature = {"ggn": at.ggn(prior, prior.free.nonzero()[:, 0])}
    posterior, places = _damped(curvature["ggn"], prior)
    gradient = at.gradient(prior)
    step = posterior.times(gradient[None])[0]
    return curvature, torch.zeros_like(prior.weights).index_copy(0, places, -step), 0.5 * float(gradient @ step)


def _damped(ggn: Float[Tensor, "free free"], prior: SmoothPrior) -> tuple[GaussianPosterior, Int[Tensor, "free"]]:
    """The posterior, its precision raised where it is not positive definite, as for a row that nothing holds but the prior.

    Such a row then takes a long step towards zero and stops there.
    """
    damping, identity = 0.0, torch.eye(len(ggn), dtype=ggn.dtype)
    scale = float(ggn.diagonal().mean()) + 1e-6
    while True:
        try:
            return assemble("full", {"ggn": ggn + damping * identity}, prior)
        except CovarianceError:
            damping = 1e-8 * scale if damping == 0 else 100 * damping
            if not damping < 1e12 * scale:
                raise


def _line_search(
    at: Expansion, prior: SmoothPrior, move: Float[Tensor, "weights"], joint: float
) -> tuple[SmoothPrior, float] | None:
    """The step, halved until the log joint rises; None if it does not."""
    for halving in range(_MAX_HALVINGS):
        candidate = prior.moved(prior.weights + 0.5**halving * move)
        risen = at.log_joint(candidate, candidate.weights)
        if math.isfinite(risen) and risen > joint and bool(candidate.free.any()):
            return candidate, risen
    return None
