"""Which units a model prior is about, and how their values fill the groups once the protected units are added."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import MaskError
from bayes_guided.types import Masks


@dataclass(frozen=True, eq=False)
class GuidedUnits:
    """The units of an architecture that are not `protected` (P6); no protected masks mean that all are guided."""

    architecture: Architecture
    protected: Masks | None

    @cached_property
    def index(self) -> dict[str, Tensor]:
        """Places of the guided units in each group, ascending.

        Raises:
            MaskError: if a protected mask is not boolean, of the wrong length, of an unknown group, or protects all.
        """
        full = dict(self.architecture.full().masks)
        for name, mask in (self.protected or {}).items():
            if name not in full or mask.dtype != torch.bool or mask.shape != full[name].shape:
                raise MaskError(f"the protected mask of '{name}' must be boolean, one entry per unit of a group.")
            full[name] = ~mask.cpu()
            if not full[name].any():
                raise MaskError(f"every unit of group '{name}' is protected; protect the layer in the architecture.")
        return {name: mask.nonzero().flatten() for name, mask in full.items()}

    @property
    def names(self) -> list[str]:
        """Group names in network order."""
        return [group.name for group in self.architecture.groups]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Guided units per group."""
        return {name: len(index) for name, index in self.index.items()}

    @property
    def total(self) -> int:
        """Guided units in all groups."""
        return sum(self.sizes.values())

    def num_protected(self, group: str) -> int:
        """Protected units of a group."""
        return self.architecture.group(group).size - self.sizes[group]

    def select(self, masks: Masks) -> tuple[dict[str, Tensor], Bool[Tensor, "samples"]]:
        """The guided units' masks, and which samples have all protected units.

        Raises:
            MaskError: if a group is missing or unknown, or a mask is not boolean or of the wrong shape.
        """
        self._check(masks)
        cpu = {name: masks[name].detach().cpu() for name in self.names}
        complete = torch.ones(next(iter(cpu.values())).shape[0], dtype=torch.bool)
        for name, mask in cpu.items():
            if self.num_protected(name):
                guided = torch.zeros(mask.shape[1], dtype=torch.bool)
                guided[self.index[name]] = True
                complete &= (mask | guided).all(dim=1)
        return {name: mask[:, self.index[name]] for name, mask in cpu.items()}, complete

    def complete_masks(self, masks: Masks) -> dict[str, Tensor]:
        """Guided masks (..., guided) as masks (..., units) with the protected units present."""
        return {name: self.complete_mask(name, mask) for name, mask in masks.items()}

    def complete_mask(self, group: str, mask: Bool[Tensor, "*samples _"]) -> Bool[Tensor, "*samples _"]:
        """One group's guided mask with the protected units present."""
        size = self.architecture.group(group).size
        if mask.shape[-1] == size:
            return mask
        result = torch.ones(*mask.shape[:-1], size, dtype=torch.bool)
        result[..., self.index[group]] = mask
        return result

    def complete_values(self, values: Mapping[str, Tensor], protected: float) -> dict[str, Tensor]:
        """Guided values (..., guided) as values (..., units), with the value that protected units have."""
        result = {}
        for name, value in values.items():
            size = self.architecture.group(name).size
            filled = value.new_full((*value.shape[:-1], size), protected)
            index = self.index[name].to(value.device)
            result[name] = value if value.shape[-1] == size else filled.index_copy(-1, index, value)
        return result

    def select_values(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The guided units' entries of values (units,) per group, float64 on the CPU."""
        return {name: values[name].detach().cpu().double()[self.index[name]] for name in self.names}

    def complete_width_law(self, group: str, law: Float[Tensor, "_"]) -> Float[Tensor, "_"]:
        """A log law of the number of guided units as one of all units of the group."""
        return torch.cat([law.new_full((self.num_protected(group),), -torch.inf), law])

    def complete_size_law(self, law: Float[Tensor, "_"]) -> Float[Tensor, "_"]:
        """A log law of the number of guided units in all groups as one of all units."""
        return torch.cat([law.new_full((self.architecture.num_units - self.total,), -torch.inf), law])

    def _check(self, masks: Masks) -> None:
        if set(masks) != set(self.names):
            raise MaskError(f"masks were given for groups {sorted(masks)}; the prior needs {sorted(self.names)}.")
        samples = {mask.shape[0] for mask in masks.values() if mask.ndim == 2}
        for group in self.architecture.groups:
            mask = masks[group.name]
            if mask.dtype != torch.bool or mask.ndim != 2 or mask.shape[1] != group.size or len(samples) != 1:
                raise MaskError(
                    f"the mask of group '{group.name}' has shape {tuple(mask.shape)} and dtype {mask.dtype}; give "
                    f"torch.bool of shape (samples, {group.size}), as many samples for every group."
                )
