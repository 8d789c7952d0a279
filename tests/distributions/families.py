"""The families under test, each from one positive rate per row."""

from collections.abc import Callable

from torch import Tensor

from bayes_guided.distributions import (
    GroupHorseshoe,
    GroupLaplace,
    GroupSqrtLaplace,
    RowLaplace,
    RowNormal,
    SparseGroupLaplace,
)
from bayes_guided.distributions.base import HomogeneousRow, RowDistribution


def sparse_group_laplace(rate: Tensor, dim: int, **options: bool) -> SparseGroupLaplace:
    return SparseGroupLaplace(rate, 0.7 * rate.sqrt(), dim, **options)


HOMOGENEOUS: dict[str, Callable[..., HomogeneousRow]] = {
    "group_laplace": GroupLaplace,
    "sparse_group_laplace": sparse_group_laplace,
    "group_sqrt_laplace": GroupSqrtLaplace,
    "laplace": RowLaplace,
    "normal": RowNormal,
}

ALL: dict[str, Callable[..., RowDistribution]] = {**HOMOGENEOUS, "group_horseshoe": GroupHorseshoe}
