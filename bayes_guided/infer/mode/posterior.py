"""The Gaussian at a MAP, from the likelihood's curvature and the prior's."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.downdated_posterior import DowndatedGaussian
from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian, FullGaussian, GaussianPosterior
from bayes_guided.analysis.structured_posterior import BlockGaussian, KroneckerGaussian
from bayes_guided.exceptions import CurvatureError
from bayes_guided.infer.mode.smooth_prior import SmoothPrior

Structure = Literal["full", "kronecker", "diagonal"]
STRUCTURES: tuple[str, ...] = get_args(Structure)


def assemble(
    structure: str, curvature: Mapping[str, Tensor], prior: SmoothPrior
) -> tuple[GaussianPosterior, Int[Tensor, "weights"]]:
    """The posterior and the places of its weights in the flat vector, in its order.

    `curvature` is "ggn" (free weights, in the flat order; a vector where diagonal), or for Kronecker factors
    "<layer>.outputs" and "<layer>.inputs" of every layer, "<layer>.places" of its weights in the flat vector, (out, in), and
    "others" and "others.places", the full block of all weights without factors.

    Raises:
        CovarianceError: if the precision is not positive definite.
        CurvatureError: if the prior's curvature does not fit the structure.
    """
    if structure == "kronecker":
        return _kronecker(curvature, prior)
    places = prior.free.nonzero()[:, 0]
    mean, level = prior.weights[places], prior.level[places]
    directions, losses = prior.directions()
    directions = directions[:, places]
    if structure == "full":
        precision = curvature["ggn"] + level.diag() - (directions.T * losses) @ directions
        return FullGaussian.from_precision(mean, precision), places
    precision = curvature["ggn"] + level - (losses[:, None] * directions.square()).sum(dim=0)
    return DiagonalGaussian(mean, precision.rsqrt()), places


def _kronecker(curvature: Mapping[str, Tensor], prior: SmoothPrior) -> tuple[GaussianPosterior, Int[Tensor, "weights"]]:
    """One block per layer, one for all other weights; the rows' directions are taken off the blocks that hold them."""
    directions, losses = prior.directions()
    blocks: list[GaussianPosterior] = []
    places: list[Tensor] = []
    names = [name.removesuffix(".inputs") for name in curvature if name.endswith(".inputs")]
    for name in names:
        index = curvature[f"{name}.places"]
        level = _level_per_output(name, prior.level[index], prior.free[index])
        base = KroneckerGaussian(
            prior.weights[index].flatten(), curvature[f"{name}.outputs"], curvature[f"{name}.inputs"], level
        )
        blocks.append(base)
        places.append(index.flatten())
    if len(curvature["others.places"]):
        index = curvature["others.places"]
        precision = curvature["others"] + prior.level[index].diag()
        blocks.append(FullGaussian.from_precision(prior.weights[index], precision))
        places.append(index)
    blocks, directions, losses = _taken_off_within(blocks, places, directions, losses)
    posterior: GaussianPosterior = BlockGaussian(blocks)
    joined = torch.cat(places)
    if len(losses):
        posterior = DowndatedGaussian(posterior, directions[:, joined], losses)
    return posterior, joined


def _taken_off_within(
    blocks: list[GaussianPosterior],
    places: list[Tensor],
    directions: Float[Tensor, "rows weights"],
    losses: Float[Tensor, "rows"],
) -> tuple[list[GaussianPosterior], Float[Tensor, "left weights"], Float[Tensor, "left"]]:
    """The blocks less the directions that lie in one of them, and the directions that are left."""
    left = torch.ones(len(losses), dtype=torch.bool)
    finished = []
    for block, index in zip(blocks, places, strict=True):
        share = directions[:, index]
        inside = left & (share.square().sum(dim=1) > 1 - 1e-9)
        finished.append(DowndatedGaussian(block, share[inside], losses[inside]) if bool(inside.any()) else block)
        left = left & ~inside
    return finished, directions[left], losses[left]


def _level_per_output(name: str, level: Float[Tensor, "out in"], free: Tensor) -> Float[Tensor, "out"]:
    if not bool(free.all()) or not bool((level == level[:, :1]).all()) or not bool((level > 0).all()):
        raise CurvatureError(
            f'the prior\'s curvature differs between the weights of an output of "{name}", or is 0 there, as under an L1 '
            'penalty: Kronecker factors cannot hold it; use structure="full" or "diagonal".'
        )
    return level[:, 0]
