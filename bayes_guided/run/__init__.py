"""One run: settings in, a folder with the fit, the reduced network, the metrics and the figures out."""

from .comparing import compare_fit as compare_fit
from .comparing import compare_runs as compare_runs
from .execute import RunResult as RunResult
from .execute import run as run
from .metrics import Metrics as Metrics
from .prior_view import PriorView as PriorView
from .prior_view import show_prior as show_prior
from .prior_view import view_prior as view_prior
from .saved import SavedRun as SavedRun
from .saved import draw_run as draw_run
from .saved import load_run as load_run
from .saved import reduce_run as reduce_run
