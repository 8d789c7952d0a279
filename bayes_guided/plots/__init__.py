"""Plots: each takes its data and the axes to draw on, returns the axes, and computes nothing."""

from .architecture import architecture as architecture
from .bayes_factors import bayes_factors as bayes_factors
from .calibration import calibration as calibration
from .figures import panels as panels
from .figures import save as save
from .model_survival import model_survival as model_survival
from .model_width import model_width as model_width
from .occam_curve import occam_curve as occam_curve
from .prior_posterior_scatter import prior_posterior_scatter as prior_posterior_scatter
from .readings import readings as readings
from .regularisation_path import regularisation_path as regularisation_path
from .row_norms import row_norms as row_norms
from .survival_heatmap import survival_heatmap as survival_heatmap
from .training import training as training
from .unit_survival import unit_survival as unit_survival
from .width_law import width_law as width_law
