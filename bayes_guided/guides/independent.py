"""What guides with independent weights share: scales that are laid out over the weights."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian
from bayes_guided.architecture import Architecture

from .base import LOG_UNIT_ENTROPY, START_SD, Guide, Moments, Weights, check_start_sd
from .log_scale import variances_and_log_sum


class IndependentGuide(Guide):
    """Normal weights, independent of one another, whose log standard deviations broadcast over them."""

    independent = True

    def __init__(self, architecture: Architecture, start: Weights, *, sd: float = START_SD) -> None:
        """Means at `start`, all standard deviations `sd`.

        Raises:
            ConfigError: if `sd` is not positive and finite.
        """
        super().__init__(architecture, start)
        check_start_sd(sd)
        self._log_sds = nn.ParameterList([torch.full_like(part, math.log(sd)) for part in self._scaled_parts(start)])

    @abstractmethod
    def _scaled_parts(self, start: Weights) -> Sequence[Tensor]:
        """One tensor per group and one for the rest, of the shapes that the standard deviations have."""

    def moments(self) -> Moments:
        """Variances laid out per weight; a log standard deviation counts once for each of its weights in the entropy."""
        means = list(self._means)
        scales, log_sum = variances_and_log_sum(list(self._log_sds), means)
        # Only where one scale serves several weights: this is the inner loop of every fit.
        variances = [v if v.shape == mean.shape else v.expand_as(mean) for mean, v in zip(means, scales, strict=True)]
        return Moments(self._weights(means), self._weights(variances), log_sum + self.count * LOG_UNIT_ENTROPY)

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """Means plus scaled noise."""
        parts = zip(self._means, self._log_sds, self._noise(n, generator), strict=True)
        return self._weights([mean + log_sd.exp() * noise for mean, log_sd, noise in parts])

    @torch.no_grad()
    def posterior(self) -> DiagonalGaussian:
        """A diagonal Gaussian."""
        return DiagonalGaussian(self.means.flat(), self.sds.flat())
