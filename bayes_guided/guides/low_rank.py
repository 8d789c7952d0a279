"""Low rank plus diagonal per group: the weights of a group are correlated in a few directions."""

import math

import torch
from torch import nn

from bayes_guided.analysis.gaussian_posterior import GaussianPosterior, LowRankGaussian
from bayes_guided.analysis.structured_posterior import BlockGaussian
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError

from .base import LOG_UNIT_ENTROPY, START_SD, Guide, Moments, Weights, check_start_sd, standard_normal
from .log_scale import variances_and_log_sum


class LowRank(Guide):
    """q(rows of a group) = N(m, S (I + F F') S), S = diag(s), F of `rank` columns over all weights of the group.

    The rest likewise. Groups are independent of each other and of the rest.
    """

    family = "low_rank"
    independent = False

    def __init__(
        self,
        architecture: Architecture,
        start: Weights,
        *,
        sd: float = START_SD,
        rank: int = 8,
        generator: torch.Generator | None = None,
    ) -> None:
        """Means at `start`; each weight has standard deviation `sd`, half of its variance in the random factor.

        F starts at random, from `generator`, since F = 0 is a stationary point of the ELBO.

        Raises:
            ConfigError: if `sd` is not positive and finite, or `rank` less than 1.
        """
        super().__init__(architecture, start)
        check_start_sd(sd)
        if rank < 1:
            raise ConfigError(f"rank={rank}: give at least 1; mean_field has no correlations.")
        self.rank = rank
        half = sd / math.sqrt(2)
        self._log_sds = nn.ParameterList([torch.full_like(mean, math.log(half)) for mean in self._means])
        factors = [standard_normal((mean.numel(), rank), mean, generator) / math.sqrt(rank) for mean in self._means]
        self._factors = nn.ParameterList(factors)

    @property
    def settings(self) -> dict[str, int]:
        """The rank."""
        return {"rank": self.rank}

    def moments(self) -> Moments:
        """Variances s_j^2 (1 + |F_j|^2); the entropy by the matrix determinant lemma."""
        diagonals, log_sum = variances_and_log_sum(list(self._log_sds), list(self._means))
        variances, log_dets = [], []
        for diagonal, factor in zip(diagonals, self._factors, strict=True):
            variances.append(diagonal * (1 + factor.square().sum(dim=1).view_as(diagonal)))
            inner = factor.T @ factor + torch.eye(self.rank, dtype=factor.dtype, device=factor.device)
            log_dets.append(inner.logdet())
        entropy = log_sum + 0.5 * torch.stack(log_dets).sum() + self.count * LOG_UNIT_ENTROPY
        return Moments(self.means, self._weights(variances), entropy)

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """Means plus independent noise plus noise along the factor."""
        draws = []
        for mean, log_sd, factor, noise in zip(
            self._means, self._log_sds, self._factors, self._noise(n, generator), strict=True
        ):
            along = standard_normal((n, self.rank), mean, generator) @ factor.T
            draws.append(mean + log_sd.exp() * (noise + along.reshape(noise.shape)))
        return self._weights(draws)

    @torch.no_grad()
    def posterior(self) -> GaussianPosterior:
        """Independent blocks, each of low rank plus diagonal."""
        scales = [log_sd.double().exp().flatten() for log_sd in self._log_sds]
        blocks = [
            LowRankGaussian(mean.detach().flatten(), sd.square(), sd[:, None] * factor)
            for mean, sd, factor in zip(self._means, scales, self._factors, strict=True)
            if mean.numel()
        ]
        return BlockGaussian(blocks)
