"""Independent weights, each with a standard deviation of its own."""

import math

import torch
from torch import nn

from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian
from bayes_guided.architecture import Architecture

from .base import LOG_UNIT_ENTROPY, START_SD, Guide, Moments, Weights, check_start_sd
from .log_scale import variance_and_log_sum


class MeanField(Guide):
    """q(w) = prod_j N(w_j; m_j, s_j^2): cheap, too narrow where weights are correlated, wrong for evidence (P19)."""

    family = "mean_field"
    independent = True

    def __init__(self, architecture: Architecture, start: Weights, *, sd: float = START_SD) -> None:
        """Means at `start`, all standard deviations `sd`.

        Raises:
            ConfigError: if `sd` is not positive and finite.
        """
        super().__init__(architecture, start)
        check_start_sd(sd)
        self._log_sds = nn.ParameterList([torch.full_like(mean, math.log(sd)) for mean in self._means])

    def moments(self) -> Moments:
        """Variances s_j^2; entropy sum_j log s_j, and half a log(2 pi e) for each weight."""
        scales = [variance_and_log_sum(log_sd) for log_sd in self._log_sds]
        entropy = torch.stack([log_sum for _, log_sum in scales]).sum() + self.count * LOG_UNIT_ENTROPY
        return Moments(self.means, self._weights([variance for variance, _ in scales]), entropy)

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """Means plus scaled noise."""
        parts = zip(self._means, self._log_sds, self._noise(n, generator), strict=True)
        return self._weights([mean + log_sd.exp() * noise for mean, log_sd, noise in parts])

    @torch.no_grad()
    def posterior(self) -> DiagonalGaussian:
        """A diagonal Gaussian."""
        return DiagonalGaussian(self.means.flat(), self.sds.flat())
