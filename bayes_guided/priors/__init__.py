"""Priors: on rows of weights, guidance joined to them, over models, and both together."""

from .cumulative_shrinkage import CumulativeShrinkage as CumulativeShrinkage
from .gibbs import GibbsComplexity as GibbsComplexity
from .guided import GuidedPrior as GuidedPrior
from .independent import IndependentInclusion as IndependentInclusion
from .model_prior import ModelPrior as ModelPrior
from .multiplicative_gamma import MultiplicativeGamma as MultiplicativeGamma
from .nested import NestedWidth as NestedWidth
from .shared_budget import SharedBudget as SharedBudget
from .slab_volumes import laplace_log_volume as laplace_log_volume
from .spike_and_slab import SpikeAndSlabPrior as SpikeAndSlabPrior
from .tilted import TiltedWidth as TiltedWidth
from .tree import TreeGroupLaplace as TreeGroupLaplace
from .weights import GroupHorseshoe as GroupHorseshoe
from .weights import GroupLaplace as GroupLaplace
from .weights import GroupSqrtLaplace as GroupSqrtLaplace
from .weights import Laplace as Laplace
from .weights import Normal as Normal
from .weights import SparseGroupLaplace as SparseGroupLaplace
from .weights import WeightPrior as WeightPrior
from .width_laws import Table as Table
from .width_laws import WidthLaw as WidthLaw
from .width_laws import geometric as geometric
from .width_laws import negative_binomial as negative_binomial
from .width_laws import poisson as poisson
from .width_laws import uniform as uniform
