"""One of several classes."""

import torch
from jaxtyping import Float
from pyro import distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from bayes_guided.exceptions import LabelError

from .base import ClassLikelihood


class Categorical(ClassLikelihood):
    """Class labels given logits of shape (batch, classes)."""

    def distribution(self, outputs: Float[Tensor, "batch classes"]) -> TorchDistributionMixin:
        """Categorical with the outputs as logits."""
        return dist.Categorical(logits=outputs)

    def log_prob(self, outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each label, in nats."""
        return -nn.functional.cross_entropy(outputs, targets, reduction="none")

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Labels are int64 in 0 to classes - 1."""
        if outputs.dim() != 2:
            raise LabelError(f"Categorical needs logits of shape (batch, classes); the network gives {tuple(outputs.shape)}.")
        if targets.dtype != torch.int64 or targets.dim() != 1:
            raise LabelError(
                f"Categorical needs labels of dtype int64 and shape (N,); got {targets.dtype} of shape {tuple(targets.shape)}."
            )
        low, high, classes = int(targets.min()), int(targets.max()), outputs.shape[1]
        if low < 0 or high >= classes:
            raise LabelError(
                f"labels run from {low} to {high}, but the network has {classes} outputs, so labels are 0 to {classes - 1}."
            )

    def error(self, outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """1 where the most probable class is not the label."""
        return self.error_of_mean(outputs, targets)

    def error_of_mean(self, mean: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """1 where the most probable class is not the label."""
        return (mean.argmax(dim=1) != targets).to(mean.dtype)

    def forecasts(self, mean: Float[Tensor, "batch classes"], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of the most probable class, and whether it is the label."""
        return mean.amax(dim=1), 1 - self.error_of_mean(mean, targets)

    def mean(self, outputs: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """Class probabilities."""
        return outputs.softmax(dim=1)
