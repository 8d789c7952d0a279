"""Plots: each takes its data and the axes to draw on, returns the axes, and computes nothing."""

from .architecture import architecture as architecture
from .figures import panels as panels
from .figures import save as save
from .model_survival import model_survival as model_survival
from .row_norms import row_norms as row_norms
from .training import training as training
from .unit_survival import unit_survival as unit_survival
from .width_law import width_law as width_law
