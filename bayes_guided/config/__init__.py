"""Settings of a run: checked models, and YAML files that are read into them."""

from .compare import CompareSettings as CompareSettings
from .fit import EnsembleSettings as EnsembleSettings
from .fit import FitSettings as FitSettings
from .fit import MAPSettings as MAPSettings
from .fit import MCMCSettings as MCMCSettings
from .fit import SVISettings as SVISettings
from .loading import load_config as load_config
from .loading import load_prior_config as load_prior_config
from .loading import parse_config as parse_config
from .loading import to_yaml as to_yaml
from .models import RunConfig as RunConfig
from .net import NetSettings as NetSettings
from .prior import PriorSettings as PriorSettings
from .prior_config import PriorConfig as PriorConfig
