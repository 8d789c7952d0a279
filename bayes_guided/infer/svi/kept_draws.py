"""Draws of a guide that is known by its draws alone, such as one of Pyro's."""

from dataclasses import dataclass
from typing import Any

import torch

from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.draws import Draws


@dataclass(frozen=True, eq=False)
class KeptDraws:
    """Independent draws from a posterior, on the CPU; `name` says of which guide."""

    name: str
    draws: Draws

    def __len__(self) -> int:
        """Number of draws."""
        return len(self.draws)

    def choose(self, n: int, generator: torch.Generator, device: torch.device) -> Draws:
        """`n` of the draws, each at most once, in random order.

        Raises:
            ConfigError: if there are fewer.
        """
        if n > len(self):
            raise ConfigError(
                f"{n} draws were asked for, and {len(self)} were kept of Pyro's {self.name}; fit with more kept_draws."
            )
        order = torch.randperm(len(self), generator=generator)[:n]
        return Draws(
            {name: rows[order].to(device) for name, rows in self.draws.rows.items()},
            self.draws.rest[order].to(device),
            None if self.draws.noise_scale is None else self.draws.noise_scale[order].to(device),
        )

    def to_tree(self) -> dict[str, Any]:
        """As nested dicts of tensors and text."""
        draws = self.draws
        return {"name": self.name, "rows": dict(draws.rows), "rest": draws.rest, "noise_scale": draws.noise_scale}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> "KeptDraws":
        """The inverse."""
        return cls(tree["name"], Draws(tree["rows"], tree["rest"], tree["noise_scale"]))
