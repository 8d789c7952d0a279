"""Many runs of one configuration: searched settings, workers, a store that survives kills. Needs the extra "sweep"."""

from .driver import SweepResult as SweepResult
from .driver import run_sweep as run_sweep
from .settings import Sweep as Sweep
from .settings import SweepConfig as SweepConfig
from .settings import load_sweep as load_sweep
from .store import Store as Store
from .store import Trial as Trial
from .store import open_store as open_store
from .store import read_sweep as read_sweep
from .table import front_table as front_table
from .table import importance_table as importance_table
from .table import progress_table as progress_table
from .table import trials_table as trials_table
