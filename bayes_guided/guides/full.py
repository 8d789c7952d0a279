"""One full covariance over all weights, for small networks."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.analysis.gaussian_posterior import FullGaussian
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ExactLimitError

from .base import LOG_UNIT_ENTROPY, START_SD, Guide, Moments, Weights, check_start_sd, standard_normal

LARGEST = 2000
"""Weights beyond which a full covariance is refused: its factor and Adam's state are then 16 million numbers."""


class FullCovariance(Guide):
    """q(w) = N(m, L L'), L lower triangular with a positive diagonal: exact where the posterior is Gaussian."""

    family = "full"
    independent = False

    def __init__(self, architecture: Architecture, start: Weights, *, sd: float = START_SD) -> None:
        """Means at `start`, independent weights of standard deviation `sd`.

        Raises:
            ConfigError: if `sd` is not positive and finite.
            ExactLimitError: if there are more than `LARGEST` weights.
        """
        super().__init__(architecture, start)
        check_start_sd(sd)
        count = self.count
        if count > LARGEST:
            raise ExactLimitError(
                f'the guide "full" would hold a covariance of {count} weights; it serves up to {LARGEST}. Use "low_rank" or '
                '"mean_field".'
            )
        self._log_diagonal = nn.Parameter(start.rest.new_full((count,), math.log(sd)))
        self._below = nn.Parameter(start.rest.new_zeros(count, count))

    @property
    def factor(self) -> Float[Tensor, "weights weights"]:
        """L, differentiable: a unit lower triangle whose rows are scaled, so that steps are relative to the scales."""
        triangle = self._below.tril(-1) + torch.eye(len(self._below), dtype=self._below.dtype, device=self._below.device)
        return self._log_diagonal.exp()[:, None] * triangle

    def moments(self) -> Moments:
        """Variances are the squared norms of L's rows; the entropy is log det L, and half a log(2 pi e) for each weight."""
        variances = self._split(self.factor.square().sum(dim=1))
        return Moments(self.means, variances, self._log_diagonal.sum() + self.count * LOG_UNIT_ENTROPY)

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """Means plus L times noise."""
        noise = standard_normal((n, len(self._log_diagonal)), self._log_diagonal, generator)
        return self._split(self.means.flat() + noise @ self.factor.T)

    @torch.no_grad()
    def posterior(self) -> FullGaussian:
        """The full Gaussian."""
        factor = self.factor.double()
        return FullGaussian(self.means.flat().double(), factor @ factor.T, torch.cholesky_inverse(factor))

    def _split(self, flat: Float[Tensor, "*draws weights"]) -> Weights:
        pieces = flat.split([mean.numel() for mean in self._means], dim=-1)
        shaped = [piece.reshape(*flat.shape[:-1], *mean.shape) for piece, mean in zip(pieces, self._means, strict=True)]
        return self._weights(shaped)
