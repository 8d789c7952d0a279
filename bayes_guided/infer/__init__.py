"""Inference: one signature for every method."""

from .evaluation import Evaluation as Evaluation
from .history import Epoch as Epoch
from .history import History as History
from .map import fit_map as fit_map
from .map_fit import MAPFit as MAPFit
from .map_fit import Refit as Refit
from .map_fit import load_fit as load_fit
