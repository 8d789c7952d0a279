"""Variational families over all weights of a network."""

from .base import Guide as Guide
from .base import Moments as Moments
from .base import Weights as Weights
from .free_rest import FreeRest as FreeRest
from .full import FullCovariance as FullCovariance
from .gaussian import GuideName as GuideName
from .gaussian import gaussian_guide as gaussian_guide
from .local_reparameterisation import LocallyReparameterised as LocallyReparameterised
from .low_rank import LowRank as LowRank
from .mean_field import MeanField as MeanField
from .noise import LogNormalNoise as LogNormalNoise
from .noise import noise_guide as noise_guide
from .parameters import NetworkParameters as NetworkParameters
from .row_scale import RowScale as RowScale
