"""Priors: weight priors on rows, guidance joined to them, and priors over models."""

from .guided import GuidedPrior as GuidedPrior
from .weights import GroupHorseshoe as GroupHorseshoe
from .weights import GroupLaplace as GroupLaplace
from .weights import GroupSqrtLaplace as GroupSqrtLaplace
from .weights import Laplace as Laplace
from .weights import Normal as Normal
from .weights import SparseGroupLaplace as SparseGroupLaplace
from .weights import WeightPrior as WeightPrior
