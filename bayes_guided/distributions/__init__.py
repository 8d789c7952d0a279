"""Densities over the rows of a unit group, one per file: Pyro distributions of event shape (row,)."""

from .group_horseshoe import GroupHorseshoe as GroupHorseshoe
from .group_laplace import GroupLaplace as GroupLaplace
from .group_sqrt_laplace import GroupSqrtLaplace as GroupSqrtLaplace
from .laplace import RowLaplace as RowLaplace
from .normal import RowNormal as RowNormal
from .sparse_group_laplace import SparseGroupLaplace as SparseGroupLaplace
