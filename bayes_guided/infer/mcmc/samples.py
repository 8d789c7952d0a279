"""What Markov chains keep: joint draws of all weights, chain by chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.infer.draws import Draws
from bayes_guided.infer.mcmc.chains import Record
from bayes_guided.infer.mcmc.potential import WeightSpace


@dataclass(frozen=True, eq=False)
class Samples:
    """Draws of every chain after its warm-up, on the CPU; the first axes of everything are (chains, draws).

    `rows` are (chains, draws, units, row) per group and `rest` (chains, draws, rest), in the network's dtype. `noise_scale` is
    None where no noise is learned. `masks` and `log_odds`, (chains, draws, units) per group, are None without models in the
    prior: `log_odds` are those of each unit's presence given all else when the chain visited it, nats. `log_density` is the
    log joint density up to a constant, nats; `diverged` marks trajectories that left the level of energy.
    """

    rows: Mapping[str, Float[Tensor, "chains draws _ _"]]
    rest: Float[Tensor, "chains draws rest"]
    noise_scale: Float[Tensor, "chains draws"] | None
    masks: Mapping[str, Bool[Tensor, "chains draws _"]] | None
    log_odds: Mapping[str, Float[Tensor, "chains draws _"]] | None
    log_density: Float[Tensor, "chains draws"]
    diverged: Bool[Tensor, "chains draws"]

    @classmethod
    def of(cls, space: WeightSpace, records: Sequence[Record]) -> "Samples":
        """What chains over this space have recorded."""
        joined = {name: torch.stack([record[name] for record in records]) for name in records[0]}
        vectors = joined["weights"]
        log_noise = space.log_noise(vectors)
        return cls(
            {name: rows.clone() for name, rows in space.rows(vectors).items()},
            space.rest(vectors).clone(),
            None if log_noise is None else log_noise.exp(),
            _part(joined, "masks."),
            _part(joined, "log_odds."),
            joined["log_density"],
            joined["diverged"],
        )

    @property
    def chains(self) -> int:
        """Number of chains."""
        return len(self.rest)

    def __len__(self) -> int:
        """Draws in all chains together."""
        return self.rest.shape[0] * self.rest.shape[1]

    def take(self, places: Int[Tensor, "draws"], device: torch.device) -> Draws:
        """The draws at these places, counted through one chain after the other."""

        def taken(values: Tensor) -> Tensor:
            return values.flatten(0, 1)[places].to(device)

        return Draws(
            {name: taken(rows) for name, rows in self.rows.items()},
            taken(self.rest),
            None if self.noise_scale is None else taken(self.noise_scale),
            None if self.masks is None else {name: taken(mask) for name, mask in self.masks.items()},
        )

    def to_tree(self) -> dict[str, Any]:
        """As nested dicts of tensors."""
        return {
            "rows": dict(self.rows),
            "rest": self.rest,
            "noise_scale": self.noise_scale,
            "masks": None if self.masks is None else dict(self.masks),
            "log_odds": None if self.log_odds is None else dict(self.log_odds),
            "log_density": self.log_density,
            "diverged": self.diverged,
        }


def _part(joined: Record, prefix: str) -> dict[str, Tensor] | None:
    found = {name.removeprefix(prefix): values for name, values in joined.items() if name.startswith(prefix)}
    return found or None
