"""NUTS on the weights of a network under a continuous prior."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.infer.mcmc.chains import Chain, Record
from bayes_guided.infer.mcmc.nuts import NUTSKernel, Tuning
from bayes_guided.infer.mcmc.potential import Posterior

_START_BOUND = 2.0
"""Largest absolute value of a weight at a start: draws of a heavy-tailed prior can be anywhere."""


@dataclass(frozen=True)
class NUTSSettings:
    """Steps of warm-up, the acceptance probability that it tunes the step size to, and doublings of a trajectory at most."""

    warmup: int
    target_accept: float
    max_tree_depth: int


class ContinuousChain(Chain):
    """The free weights under NUTS. Its start is a draw of the prior, so that chains begin far apart."""

    def __init__(self, posterior: Posterior, settings: NUTSSettings) -> None:
        self.posterior, self.settings = posterior, settings

    def warm_up(self) -> Iterator[None]:
        """Tunes step size and variances, as Stan does, and starts a kernel with them."""
        position = prior_start(self.posterior)[self.posterior.space.free]
        kernel = self._kernel_at(position, None, self.settings.warmup)
        for _ in range(self.settings.warmup):
            position, _ = kernel.step()
            yield
        self._begin(position, kernel.tuning)

    def step(self) -> Record:
        """One trajectory."""
        self._position, diverged = self._kernel.step()
        vector = self.posterior.space.whole(self._position)
        with torch.no_grad():
            density = self.posterior.log_prob(vector)
        return {"weights": vector, "log_density": density.double(), "diverged": torch.tensor(diverged)}

    def state(self) -> dict[str, Any]:
        """Position and tuning."""
        return {"position": self._position, **self._tuning.to_tree()}

    def restore(self, state: dict[str, Any]) -> None:
        """Starts a kernel where the state says."""
        like = self.posterior.space.base
        self._begin(state["position"].to(like), Tuning(state["step_size"], state["variances"].to(like)))

    def _begin(self, position: Float[Tensor, "free"], tuning: Tuning) -> None:
        self._position, self._tuning = position, tuning
        self._kernel = self._kernel_at(position, tuning, 0)

    def _kernel_at(self, position: Float[Tensor, "free"], tuning: Tuning | None, adapt_steps: int) -> NUTSKernel:
        return NUTSKernel(
            lambda free: -self.posterior.log_prob(self.posterior.space.whole(free)),
            position,
            target_accept=self.settings.target_accept,
            max_tree_depth=self.settings.max_tree_depth,
            tuning=tuning,
            adapt_steps=adapt_steps,
        )


def prior_start(posterior: Posterior) -> Float[Tensor, "weights"]:
    """A vector with free places drawn from the prior, no weight beyond 2 in absolute value, and the noise scale at about 1."""
    return posterior.space.whole(posterior.sample_prior().clamp(-_START_BOUND, _START_BOUND)[posterior.space.free])
