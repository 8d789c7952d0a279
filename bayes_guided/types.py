"""Tensor aliases and the shape alphabet.

The names inside shape strings are fixed for the whole package: `units` (units of a group), `row` (weights a unit owns),
`groups`, `samples`, `batch`, `features`, `classes`, `draws`.
"""

from collections.abc import Mapping
from typing import TypeAlias

from jaxtyping import Bool, Float
from torch import Tensor

Rows: TypeAlias = Mapping[str, Float[Tensor, "..."]]
"""Group name to a tensor of shape (units, row), one row per unit."""

Masks: TypeAlias = Mapping[str, Bool[Tensor, "..."]]
"""Group name to a boolean tensor of shape (units,), True where the unit is present."""

UnitValues: TypeAlias = Mapping[str, Float[Tensor, "..."]]
"""Group name to a real number per unit, shape (units,)."""
