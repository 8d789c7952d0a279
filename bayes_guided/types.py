"""Tensor aliases and the shape alphabet.

The names inside shape strings are fixed for the whole package: `units` (units of a group), `row` (weights a unit owns),
`groups`, `samples`, `batch`, `features`, `classes`, `draws`.
"""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

type Rows = Mapping[str, Float[Tensor, "units row"]]
type Masks = Mapping[str, Bool[Tensor, "units"]]
