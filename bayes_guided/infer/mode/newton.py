"""Newton's method on the log joint from near a MAP, with the GGN for a Hessian and kinks respected."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.exceptions import CovarianceError
from bayes_guided.infer.mode.expansion import Expansion
from bayes_guided.infer.mode.posterior import assemble
from bayes_guided.infer.mode.smooth_prior import SmoothPrior

_MAX_STEPS = 50
_MAX_HALVINGS = 20
_CONVERGED = 1e-11
_NEARBY = 1e-6


def improved(
    at: Expansion, prior: SmoothPrior, returning: Bool[Tensor, "weights"] | None = None
) -> tuple[SmoothPrior, dict[str, Tensor], float]:
    """Newton steps with the GGN, halved until the log joint rises; the last expansion and its decrement.

    Weights at a kink that are among `returning` (by default those that only stop there on the way) leave it again if the log
    joint rises on the way out.
    """
    returning = prior.free if returning is None else returning
    joint = at.log_joint(prior, prior.weights)
    curvature, move, decrement = _newton(at, prior)
    for _ in range(_MAX_STEPS):
        better = _line_search(at, prior, move, joint) if decrement >= _CONVERGED else None
        better = better or _revived(at, prior, returning & ~prior.free, joint)
        if better is None:
            break
        prior, joint = better
        curvature, move, decrement = _newton(at, prior)
    return prior, curvature, decrement


def _revived(
    at: Expansion, prior: SmoothPrior, stopped: Bool[Tensor, "weights"], joint: float
) -> tuple[SmoothPrior, float] | None:
    """The unit that gains most by leaving zero along its gradient, at the length that is best to second order; or None.

    With g the likelihood's gradient at zero and d = -g / ||g||, the slope out of zero is penalty(d) - ||g||.
    """
    if not bool(stopped.any()):
        return None
    gradient = at.likelihood_gradient(prior.weights)
    best, gain = None, 0.0
    for unit in prior.owner[stopped].unique().tolist():
        places = stopped & (prior.owner == unit)
        direction = torch.where(places, -gradient, 0.0)
        direction = direction / direction.norm().clamp(min=1e-300)
        out = prior.weights + direction
        slope = prior.penalty(out) - prior.penalty(prior.weights) + float(gradient @ direction)
        if slope < -gain:
            best, gain = direction, -slope
    if best is None:
        return None
    nearby = at.likelihood_gradient(prior.weights + _NEARBY * best)
    bend = float((nearby - gradient) @ best) / _NEARBY
    return _line_search(at, prior, best * gain / max(bend, _NEARBY), joint)


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
