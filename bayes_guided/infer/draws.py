"""Weights drawn from a posterior, or the members of an ensemble: what predictions and survivals by counting are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Draws:
    """Joint draws of all weights, the first axis of everything.

    `rows` are (draws, units, row) per group, zero where `masks`, (draws, units) per group, say that the unit is absent;
    `masks` is None where the posterior has no models in it. `rest` is (draws, rest). `noise_scale`, (draws,), is None where no
    noise is learned. `buffers` are (draws, ...) each; None means that the network's own buffers serve every draw.
    """

    rows: Mapping[str, Float[Tensor, "draws _ _"]]
    rest: Float[Tensor, "draws rest"]
    noise_scale: Float[Tensor, "draws"] | None = None
    masks: Mapping[str, Bool[Tensor, "draws _"]] | None = None
    buffers: Mapping[str, Tensor] | None = None

    def __len__(self) -> int:
        """Number of draws."""
        return len(self.rest)

    def __repr__(self) -> str:
        return f"Draws({len(self)} draws of {', '.join(self.rows)})"

    def __getitem__(self, which: slice | Int[Tensor, "_"]) -> "Draws":
        """The draws of a slice, or those at the positions of an index."""
        return Draws(
            {name: row[which] for name, row in self.rows.items()},
            self.rest[which],
            None if self.noise_scale is None else self.noise_scale[which],
            None if self.masks is None else {name: mask[which] for name, mask in self.masks.items()},
            None if self.buffers is None else {name: buffer[which] for name, buffer in self.buffers.items()},
        )
