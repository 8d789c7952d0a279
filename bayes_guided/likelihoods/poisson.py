"""Counts."""

import torch
from jaxtyping import Float
from pyro import distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor

from bayes_guided.exceptions import LabelError

from .base import NumberLikelihood
from .outputs import check_shape, drop_single, per_case, summed


class Poisson(NumberLikelihood):
    """Counts given log rates of shape (batch,), (batch, 1) or (batch, outputs)."""

    def distribution(self, outputs: Float[Tensor, "batch ..."]) -> TorchDistributionMixin:
        """Independent Poisson with the outputs as log rates."""
        return per_case(dist.Poisson(drop_single(outputs).exp()))

    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each case, in nats."""
        log_rates = drop_single(outputs)
        return summed(targets * log_rates - log_rates.exp() - torch.lgamma(targets + 1))

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Targets are floating whole numbers from 0, shaped as the outputs."""
        check_shape("Poisson", targets, outputs)
        if not bool(((targets >= 0) & (targets == targets.round())).all()):
            raise LabelError("Poisson needs counts: whole numbers from 0.")

    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The rate."""
        return drop_single(outputs).exp()

    def distribution_function(
        self, outputs: Float[Tensor, "batch ..."], targets: Float[Tensor, "batch ..."]
    ) -> tuple[Tensor, Tensor]:
        """The Poisson distribution function one below every target, and at it."""
        rates = self.mean(outputs)
        # gammaincc(k + 1, r) = P(Poisson(r) <= k); nothing is below a count of 0.
        below = torch.special.gammaincc(targets.clamp(min=1), rates) * (targets > 0)
        return below, torch.special.gammaincc(targets + 1, rates)
