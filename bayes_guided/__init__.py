"""Bayesian model selection over sub-architectures of neural networks, with guided priors."""

from . import datasets as datasets
from . import distributions as distributions
from . import guidance as guidance
from . import infer as infer
from . import likelihoods as likelihoods
from . import models as models
from . import nets as nets
from . import nn as nn
from . import optim as optim
from . import plots as plots
from . import priors as priors
from .architecture import Architecture as Architecture
from .architecture import SubArchitecture as SubArchitecture
from .architecture import UnitGroup as UnitGroup
from .architecture import reduce as reduce
from .infer import MAPFit as MAPFit
from .infer import fit_map as fit_map
from .infer import load_fit as load_fit
from .priors import CumulativeShrinkage as CumulativeShrinkage
from .priors import GibbsComplexity as GibbsComplexity
from .priors import GuidedPrior as GuidedPrior
from .priors import IndependentInclusion as IndependentInclusion
from .priors import NestedWidth as NestedWidth
from .priors import SpikeAndSlabPrior as SpikeAndSlabPrior
from .priors import TiltedWidth as TiltedWidth
