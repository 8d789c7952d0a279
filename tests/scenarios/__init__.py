"""Shared ground truths: networks with data and priors, and problems whose posterior is known exactly."""

from .linear import COPIES as COPIES
from .linear import CORRELATED as CORRELATED
from .linear import LINEAR as LINEAR
from .linear import NESTED as NESTED
from .linear import ORTHOGONAL as ORTHOGONAL
from .linear import ROWS as ROWS
from .linear import ROWS_CORRELATED as ROWS_CORRELATED
from .linear import TEN as TEN
from .linear import TILTED as TILTED
from .linear import TWINS as TWINS
from .linear import LinearScenario as LinearScenario
from .networks import ALL_FAMILIES as ALL_FAMILIES
from .networks import CONV as CONV
from .networks import MLP as MLP
from .networks import RESIDUAL as RESIDUAL
from .networks import SCENARIOS as SCENARIOS
from .networks import WITH_MAP as WITH_MAP
from .networks import Residual as Residual
from .networks import Scenario as Scenario
from .networks import log_normalizer as log_normalizer
from .networks import penalty_by_hand as penalty_by_hand
from .orthogonal import ORTHOGONAL_LAPLACE as ORTHOGONAL_LAPLACE
from .orthogonal import OrthogonalScenario as OrthogonalScenario
from .tanh import TANH as TANH
from .tanh import TANH_GUIDED as TANH_GUIDED
from .tanh import TanhScenario as TanhScenario
