"""Frozen weights of the rest, such as a fixed head: known constants, outside of q, prior and evidence."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError

from .base import Weights


@dataclass(frozen=True, eq=False)
class FreeRest:
    """Which weights of the rest a guide is over: `free` are their places, `values` the whole rest as the network has it."""

    values: Float[Tensor, "rest"]
    free: Int[Tensor, "free"]

    @classmethod
    def of(cls, architecture: Architecture, net: nn.Module) -> "FreeRest":
        """From the network's parameters that require a gradient.

        Raises:
            ConfigError: if a row holds a frozen weight: a unit can be present or absent only as a whole.
        """
        moves = {name: torch.full_like(p, float(p.requires_grad)).detach() for name, p in net.named_parameters()}
        for name, rows in architecture.rows(moves).items():
            if not bool(rows.all()):
                raise ConfigError(
                    f"a weight of the units of {name!r} is frozen (requires_grad=False); unfreeze it, or protect the layer."
                )
        free = architecture.rest_vector(moves).nonzero().flatten()
        return cls(architecture.rest_vector(net).detach().clone(), free)

    def take(self, rest: Float[Tensor, "*draws rest"]) -> Float[Tensor, "*draws free"]:
        """The free ones of the whole rest."""
        return rest if self._all else rest[..., self.free]

    def whole(self, weights: Weights) -> Weights:
        """With the frozen weights put in, differentiably."""
        return weights if self._all else Weights(weights.rows, self._placed(self.values, weights.rest))

    def whole_variances(self, variances: Weights) -> Weights:
        """With zeros for the frozen weights."""
        return variances if self._all else Weights(variances.rows, self._placed(torch.zeros_like(self.values), variances.rest))

    @property
    def _all(self) -> bool:
        return len(self.free) == len(self.values)

    def _placed(self, base: Tensor, rest: Float[Tensor, "*draws free"]) -> Float[Tensor, "*draws rest"]:
        return base.expand(*rest.shape[:-1], -1).index_copy(-1, self.free, rest)
