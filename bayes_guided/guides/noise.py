"""The variational family of a learned noise scale."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.likelihoods import NOISE_PRIOR, Likelihood, Normal

from .base import standard_normal

_START_LOG_SD = math.log(0.1)


class LogNormalNoise(nn.Module):
    """q(sigma) = LogNormal, independent of the weights; the prior is the likelihood's own, LogNormal too."""

    def __init__(self, likelihood: Normal) -> None:
        """log sigma starts at the likelihood's, with standard deviation 0.1."""
        super().__init__()
        start = likelihood._log_scale.detach().clone()
        self.mean = nn.Parameter(start)
        self.log_sd = nn.Parameter(torch.full_like(start, _START_LOG_SD))

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "draws"]:
        """`n` draws of sigma, differentiable."""
        return (self.mean + self.log_sd.exp() * standard_normal((n,), self.mean, generator)).exp()

    def divergence(self) -> Float[Tensor, ""]:
        """KL(q(sigma) || prior), nats: that of the normals of log sigma."""
        location, spread = NOISE_PRIOR
        ratio = (2 * self.log_sd).exp() / spread**2
        return 0.5 * (ratio + ((self.mean - location) / spread).square() - 1 - ratio.log())


def noise_guide(likelihood: Likelihood) -> LogNormalNoise | None:
    """The family for the likelihood's noise, None where nothing about it is learned."""
    return LogNormalNoise(likelihood) if isinstance(likelihood, Normal) and likelihood.learned else None
