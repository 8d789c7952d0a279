"""What every Gaussian variational family over all weights has in common.

A guide is a plain `nn.Module` whose parameters are ordinary `nn.Parameter`s: nothing is registered with Pyro. Its means start
at the network's own weights, and not at 0, where every gradient of a ReLU network vanishes (P28).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError

START_SD = 1e-2
"""Standard deviation of every weight at the start: small beside the usual random initialisation, so that the first steps see
nearly the network that was given, and large enough for its logarithm to grow to the prior's within a few hundred steps."""

LOG_UNIT_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)
"""Entropy of a standard normal, nats."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A number for every weight: `rows` are (..., units, row) per group, `rest` is (..., rest)."""

    rows: Mapping[str, Float[Tensor, "..."]]
    rest: Float[Tensor, "..."]

    def __getitem__(self, which: int) -> "Weights":
        """One of several."""
        return Weights({name: rows[which] for name, rows in self.rows.items()}, self.rest[which])

    def flat(self) -> Float[Tensor, "weights"]:
        """Group after group, row after row, then the rest."""
        return torch.cat([*(rows.flatten() for rows in self.rows.values()), self.rest])


@dataclass(frozen=True, eq=False)
class Moments:
    """What the ELBO needs of a Gaussian: marginal means and variances, and the entropy of all weights together in nats."""

    means: Weights
    variances: Weights
    entropy: Float[Tensor, ""]


class Guide(nn.Module, ABC):
    """A Gaussian q over all weights: the rows of every group and the rest."""

    family: ClassVar[str]
    """The name under which `fit_svi` knows it."""
    independent: ClassVar[bool]
    """Whether the weights are independent under q, as local reparameterisation needs."""

    def __init__(self, architecture: Architecture, start: Weights) -> None:
        """The means start at `start`."""
        super().__init__()
        self.architecture = architecture
        self._means = nn.ParameterList([*start.rows.values(), start.rest])

    @property
    def means(self) -> Weights:
        """The mean of every weight, differentiable."""
        return self._weights(list(self._means))

    @property
    def count(self) -> int:
        """Number of weights."""
        return sum(mean.numel() for mean in self._means)

    @abstractmethod
    def moments(self) -> Moments:
        """Marginal means and variances and the joint entropy, differentiable, computed together."""

    @property
    def sds(self) -> Weights:
        """The marginal standard deviation of every weight."""
        variances = self.moments().variances
        return Weights({name: rows.sqrt() for name, rows in variances.rows.items()}, variances.rest.sqrt())

    def entropy(self) -> Float[Tensor, ""]:
        """Differential entropy of all weights, nats."""
        return self.moments().entropy

    @abstractmethod
    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """`n` draws, the first axis of everything, differentiable.

        `generator` lives on the CPU; without it the draws come from the global generator of the guide's device.
        """

    @abstractmethod
    def posterior(self) -> GaussianPosterior:
        """The same Gaussian over the flat weights (`Weights.flat`), float64, detached."""

    def index(self, group: str) -> Int[Tensor, "units row"]:
        """Where each weight of the group's rows lies in the flat weights."""
        start = 0
        for rows in self.architecture.groups:
            if rows.name == group:
                return torch.arange(start, start + rows.size * rows.row_dim).reshape(rows.size, rows.row_dim)
            start += rows.size * rows.row_dim
        raise ConfigError(
            f"there is no group {group!r}; the groups are {', '.join(g.name for g in self.architecture.groups)}."
        )

    @property
    def settings(self) -> dict[str, int]:
        """What besides the architecture is needed to build the guide again."""
        return {}

    def _weights(self, values: list[Tensor]) -> Weights:
        names = [group.name for group in self.architecture.groups]
        return Weights(dict(zip(names, values[:-1], strict=True)), values[-1])

    def _noise(self, n: int, generator: torch.Generator | None) -> Iterator[Tensor]:
        """Standard normal numbers (n, ...) in the shape of each part of the means, in order."""
        for mean in self._means:
            yield standard_normal((n, *mean.shape), mean, generator)


def standard_normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Float[Tensor, "..."]:
    """Standard normal numbers in the dtype and on the device of `like`; a generator lives on the CPU."""
    if generator is None:
        return torch.randn(shape, dtype=like.dtype, device=like.device)
    return torch.randn(shape, dtype=like.dtype, generator=generator).to(like.device)


def check_start_sd(sd: float) -> None:
    """Refuses a standard deviation that no start can have.

    Raises:
        ConfigError: if it is not positive and finite.
    """
    if not 0 < sd < math.inf:
        raise ConfigError(f"start_sd={sd}: give a positive finite standard deviation.")
