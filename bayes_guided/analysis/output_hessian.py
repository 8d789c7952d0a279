"""Hessians of minus the log likelihood of one case in the network's outputs: the middle of the GGN and of the Fisher matrix.

For these likelihoods, whose outputs are natural parameters (or the mean of a normal law), they do not depend on the target, so
that GGN and Fisher matrix are the same. Outputs have shape (batch, outputs), one Hessian per case.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import StrengthError

Outputs = Float[Tensor, "batch outputs"]
Hessians = Float[Tensor, "batch outputs outputs"]
OutputHessian = Callable[[Tensor], Tensor]
"""From outputs (batch, outputs) to Hessians (batch, outputs, outputs), positive semi-definite."""


def categorical_hessian(outputs: Outputs) -> Hessians:
    """diag(p) - p p' for logits."""
    p = outputs.softmax(dim=1)
    return torch.diag_embed(p) - p[:, :, None] * p[:, None, :]


def bernoulli_hessian(outputs: Outputs) -> Hessians:
    """diag(p (1 - p)) for logits of independent binary targets."""
    return torch.diag_embed(outputs.sigmoid() * (-outputs).sigmoid())


def poisson_hessian(outputs: Outputs) -> Hessians:
    """diag(rate) for log rates."""
    return torch.diag_embed(outputs.exp())


def normal_hessian(scale: float) -> OutputHessian:
    """The function that gives identity / scale^2, for noise of this standard deviation.

    Raises:
        StrengthError: if the scale is not positive and finite.
    """
    if not 0 < scale < math.inf:
        raise StrengthError(f"scale={scale}: give a positive finite standard deviation of the noise.")

    def hessian(outputs: Outputs) -> Hessians:
        return torch.diag_embed(torch.full_like(outputs, scale**-2))

    return hessian
