"""One of several classes."""

import pyro
import torch
from jaxtyping import Float, Int
from pyro import distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from bayes_guided.exceptions import LabelError

from .base import ClassLikelihood

_SUM_TOLERANCE = 1e-4
"""How far from 1 the sum of a case's probabilities may be: those of half-precision softmaxes are."""


class Categorical(ClassLikelihood):
    """Class labels given logits of shape (batch, classes).

    Targets are labels, int64 of shape (N,), or probabilities of the classes, floating of shape (N, classes): what another
    network predicts, smoothed or mixed labels. A case then counts with its expected log likelihood, sum_c t_c log p_c, whose
    maximum over networks is the one nearest in KL(t || p); the label that errors are counted on is the most probable one.
    """

    def distribution(self, outputs: Float[Tensor, "batch classes"]) -> TorchDistributionMixin:
        """Categorical with the outputs as logits."""
        return dist.Categorical(logits=outputs)

    def observe(self, outputs: Float[Tensor, "batch classes"], targets: Tensor | None) -> Tensor:
        """The Pyro site "targets"; given as probabilities, which no draw of a label can be, they are a factor of that name."""
        if targets is None or not targets.is_floating_point():
            return super().observe(outputs, targets)
        pyro.factor("targets", self.log_prob(outputs, targets))
        return targets

    def log_prob(self, outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each label, or its expectation under each case's probabilities, in nats."""
        return -nn.functional.cross_entropy(outputs, targets, reduction="none")

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Labels are int64 in 0 to classes - 1; probabilities are at least 0 and sum to 1."""
        if outputs.dim() != 2:
            raise LabelError(f"Categorical needs logits of shape (batch, classes); the network gives {tuple(outputs.shape)}.")
        classes = outputs.shape[1]
        if targets.is_floating_point() and targets.dim() == 2:
            _check_probabilities(targets, classes)
        elif targets.dtype == torch.int64 and targets.dim() == 1:
            _check_labels(targets, classes)
        else:
            raise LabelError(
                "Categorical needs labels of dtype int64 and shape (N,), or probabilities of shape (N, classes); got "
                f"{targets.dtype} of shape {tuple(targets.shape)}: convert labels by .long(), or one-hot ones by .argmax(1)."
            )

    def error(self, outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """1 where the most probable class is not the label."""
        return self.error_of_mean(outputs, targets)

    def error_of_mean(self, mean: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """1 where the most probable class is not the label."""
        labels = targets.argmax(dim=1) if targets.is_floating_point() else targets
        return (mean.argmax(dim=1) != labels).to(mean.dtype)

    def forecasts(self, mean: Float[Tensor, "batch classes"], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of the most probable class, and whether it is the label."""
        return mean.amax(dim=1), 1 - self.error_of_mean(mean, targets)

    def mean(self, outputs: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """Class probabilities."""
        return outputs.softmax(dim=1)


def _check_labels(labels: Int[Tensor, "batch"], classes: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise LabelError(
            f"labels run from {low} to {high}, but the network has {classes} outputs, so labels are 0 to {classes - 1}."
        )


def _check_probabilities(probabilities: Float[Tensor, "batch _"], classes: int) -> None:
    if probabilities.shape[1] != classes:
        raise LabelError(f"targets give {probabilities.shape[1]} probabilities a case, but the network has {classes} outputs.")
    wrong = (probabilities < 0).any(dim=1) | ~((probabilities.sum(dim=1) - 1).abs() < _SUM_TOLERANCE)
    if bool(wrong.any()):
        case = int(wrong.nonzero()[0])
        raise LabelError(
            f"the probabilities of case {case} (counted from 0) are {probabilities[case].tolist()}; give class probabilities "
            "that are at least 0 and sum to 1, or labels of dtype int64."
        )
