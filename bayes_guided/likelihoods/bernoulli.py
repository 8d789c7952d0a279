"""Outputs that are on or off."""

from jaxtyping import Float
from pyro import distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from bayes_guided.exceptions import LabelError

from .base import ClassLikelihood
from .outputs import check_shape, drop_single, per_case, summed, wrong_side


class Bernoulli(ClassLikelihood):
    """Binary targets (0 or 1) given logits of shape (batch,) or (batch, outputs)."""

    def distribution(self, outputs: Float[Tensor, "batch ..."]) -> TorchDistributionMixin:
        """Independent Bernoulli with the outputs as logits."""
        return per_case(dist.Bernoulli(logits=drop_single(outputs)))

    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each case, in nats."""
        logits = drop_single(outputs)
        return -summed(nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none"))

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Targets are floating 0 or 1, shaped as the outputs."""
        check_shape("Bernoulli", targets, outputs)
        if not bool(((targets == 0) | (targets == 1)).all()):
            raise LabelError("Bernoulli needs targets that are 0 or 1.")

    def error(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Fraction of a case's outputs on the wrong side."""
        return wrong_side(drop_single(outputs) > 0, targets).to(outputs.dtype)

    def error_of_mean(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Fraction of a case's outputs whose probability is on the wrong side of one half."""
        return wrong_side(mean > 0.5, targets).to(mean.dtype)

    def forecasts(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of 1 of every output, and the targets."""
        return mean, targets

    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Probability of 1."""
        return drop_single(outputs).sigmoid()
