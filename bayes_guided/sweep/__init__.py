"""Many runs of one configuration: searched settings, workers, a store that survives kills. Needs the extra "sweep"."""

from .driver import SweepResult as SweepResult
from .driver import run_sweep as run_sweep
from .settings import Sweep as Sweep
from .settings import SweepConfig as SweepConfig
from .settings import load_sweep as load_sweep
from .store import Store as Store
from .store import Trial as Trial
from .store import open_store as open_store
from .store import read_store as read_store
