"""Pyro's No-U-Turn sampler on one vector, driven a step at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from pyro.infer import NUTS
from torch import Tensor

from bayes_guided.exceptions import DivergedError

_SITE = "weights"


@dataclass(frozen=True, eq=False)
class Tuning:
    """What warm-up finds: the step size, and the posterior variance of every coordinate (the inverse mass)."""

    step_size: float
    variances: Float[Tensor, "free"]

    def to_tree(self) -> dict[str, Any]:
        """As a number and a tensor."""
        return {"step_size": self.step_size, "variances": self.variances}


class NUTSKernel:
    """One chain's transitions. The potential may change between steps: give `step` the position that goes with the new one.

    With `adapt_steps`, that many steps tune the step size and the variances; `tuning` then holds them. Draws from torch's
    generator; nothing enters Pyro's global store.
    """

    def __init__(
        self,
        potential: Callable[[Float[Tensor, "free"]], Float[Tensor, ""]],
        position: Float[Tensor, "free"],
        *,
        target_accept: float,
        max_tree_depth: int,
        tuning: Tuning | None = None,
        adapt_steps: int = 0,
    ) -> None:
        """Starts at a position; `potential` is minus the log density, in nats.

        Raises:
            DivergedError: if the density or its gradient is not finite there.
        """
        _require_finite(potential, position)
        self._kernel = NUTS(
            potential_fn=lambda values: potential(values[_SITE]),
            step_size=1.0 if tuning is None else tuning.step_size,  # pyright: ignore[reportArgumentType]  (typed by its default)
            adapt_step_size=adapt_steps > 0,
            adapt_mass_matrix=adapt_steps > 0,
            target_accept_prob=target_accept,
            max_tree_depth=max_tree_depth,
        )
        self._kernel.initial_params = {_SITE: position.detach().clone()}
        self._kernel.setup(adapt_steps)
        self._adapts, self._divergences = adapt_steps > 0, 0
        if tuning is not None:
            self._kernel.mass_matrix_adapter.inverse_mass_matrix = {(_SITE,): tuning.variances}

    @property
    def tuning(self) -> Tuning:
        """The present step size and variances."""
        return Tuning(float(self._kernel.step_size), self._kernel.inverse_mass_matrix[(_SITE,)].detach().clone())

    def step(self, position: Float[Tensor, "free"] | None = None) -> tuple[Float[Tensor, "free"], bool]:
        """The next position, and whether the trajectory diverged (always False while adapting).

        `position` says where to start, if the chain has been moved or the potential has changed since the last step.
        """
        values = {}
        if position is not None:
            values = {_SITE: position.detach().clone()}
            self._kernel.clear_cache()
        new = self._kernel.sample(values)[_SITE].detach().clone()
        if self._adapts:
            return new, False
        divergences = len(self._kernel.diagnostics()["divergences"])
        diverged, self._divergences = divergences > self._divergences, divergences
        return new, diverged


def _require_finite(potential: Callable[[Tensor], Tensor], position: Float[Tensor, "free"]) -> None:
    value = potential(position.detach())
    if not bool(torch.isfinite(value)):
        raise DivergedError(
            f"the posterior density is not finite where a chain starts (potential {float(value)}); look for extreme inputs, "
            "or a prior that is far too wide."
        )
