"""Independent weights with one standard deviation per row."""

import math

import torch
from torch import nn

from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian
from bayes_guided.architecture import Architecture

from .base import LOG_UNIT_ENTROPY, START_SD, Guide, Moments, Weights, check_start_sd
from .log_scale import variance_and_log_sum


class RowScale(Guide):
    """q(row_u) = N(m_u, s_u^2 I): half the parameters of mean field; the weights of the rest have a scale each."""

    family = "row_scale"
    independent = True

    def __init__(self, architecture: Architecture, start: Weights, *, sd: float = START_SD) -> None:
        """Means at `start`, all standard deviations `sd`.

        Raises:
            ConfigError: if `sd` is not positive and finite.
        """
        super().__init__(architecture, start)
        check_start_sd(sd)
        scales = [torch.full_like(rows[:, :1], math.log(sd)) for rows in start.rows.values()]
        self._log_sds = nn.ParameterList([*scales, torch.full_like(start.rest, math.log(sd))])

    def moments(self) -> Moments:
        """Variances laid out per weight; each row's log s_u counts once for each of its weights in the entropy."""
        scales = [variance_and_log_sum(log_sd) for log_sd in self._log_sds]
        pairs = list(zip(self._means, scales, strict=True))
        variances = [variance.expand_as(mean) for mean, (variance, _) in pairs]
        log_sums = [mean.numel() / max(1, variance.numel()) * log_sum for mean, (variance, log_sum) in pairs]
        return Moments(self.means, self._weights(variances), torch.stack(log_sums).sum() + self.count * LOG_UNIT_ENTROPY)

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """Means plus scaled noise."""
        parts = zip(self._means, self._log_sds, self._noise(n, generator), strict=True)
        return self._weights([mean + log_sd.exp() * noise for mean, log_sd, noise in parts])

    @torch.no_grad()
    def posterior(self) -> DiagonalGaussian:
        """A diagonal Gaussian."""
        return DiagonalGaussian(self.means.flat(), self.sds.flat())
