"""Inference: one signature for every method."""

from .draws import Draws as Draws
from .ensemble import fit_ensemble as fit_ensemble
from .ensemble_fit import EnsembleFit as EnsembleFit
from .evaluation import Evaluation as Evaluation
from .fit import Fit as Fit
from .history import Epoch as Epoch
from .history import History as History
from .laplace import laplace as laplace
from .laplace_fit import LaplaceFit as LaplaceFit
from .loading import load_fit as load_fit
from .map import fit_map as fit_map
from .map_fit import MAPFit as MAPFit
from .map_fit import Refit as Refit
