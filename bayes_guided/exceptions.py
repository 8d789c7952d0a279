"""Every error a user can cause, one class per kind of mistake.

Each message says what was wrong, where, and the mend. All derive from `BayesGuidedError`, so a caller can catch the
package's own refusals without catching bugs.
"""

from jaxtyping import Float
from torch import Tensor


class BayesGuidedError(Exception):
    """Base of every error that this package raises on purpose."""


# Architecture ------------------------------


class ExampleInputError(BayesGuidedError, ValueError):
    """The example inputs do not run through the network: wrong shape, dtype or device."""


class UnsupportedNetworkError(BayesGuidedError, ValueError):
    """The network cannot be copied, or has no weights yet."""


class NoPrunableUnitsError(BayesGuidedError, ValueError):
    """The network has no group of units that could be removed."""


class ProtectedGroupError(BayesGuidedError, ValueError):
    """Something was asked of a group or unit that is protected, or does not exist under that name."""


class RowShapeError(BayesGuidedError, ValueError):
    """Rows of the wrong shape, dtype or group names."""


class ArchitectureMismatchError(BayesGuidedError, ValueError):
    """A sub-architecture, prior or fit belongs to another architecture or network."""


class MaskError(BayesGuidedError, ValueError):
    """A mask of units is not boolean, has the wrong length, or empties a group that may not be empty."""


class GateError(BayesGuidedError, ValueError):
    """A gate that cannot be put where it was asked for, or that meets an input of another shape."""


class ReductionError(BayesGuidedError, RuntimeError):
    """The reduced network would not compute the same function; nothing was changed."""


# Guidance and priors ------------------------------


class GuidanceError(BayesGuidedError, ValueError):
    """Guidance of the wrong length, negative, or not finite."""


class StrengthError(BayesGuidedError, ValueError):
    """A strength, rate or scale that is not positive and finite."""


class ImproperPriorError(BayesGuidedError, ValueError):
    """A quantity that needs a proper prior was asked where there is none (P6)."""


class ReadingError(BayesGuidedError, ValueError):
    """A reading of survival that does not exist for this prior or fit, or lacks what it needs."""


class NoDensityError(BayesGuidedError, ValueError):
    """A prior known by its penalty alone, whose normaliser has no closed form, was asked for its density."""


class NoMAPError(BayesGuidedError, ValueError):
    """The prior's density is unbounded, so a MAP estimate does not exist (P4)."""


class SurvivalError(BayesGuidedError, ValueError):
    """A survival probability, hazard or cost of a unit that no model prior can have."""


class WidthLawError(BayesGuidedError, ValueError):
    """A law of widths that is no probability law over the group's widths, or a width or mean width out of range."""


class UnattainableLawError(WidthLawError):
    """A width law that independent units cannot have; `nearest` holds the survivals that come closest.

    `nearest` has shape (units,) in descending order; `divergence` is the Kullback-Leibler divergence of the wanted law
    from the nearest, in nats (P14).
    """

    def __init__(self, message: str, nearest: Float[Tensor, "units"], divergence: float) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.divergence = divergence


class ComplexityError(BayesGuidedError, ValueError):
    """A complexity of a model that is not finite, of the wrong shape, or of an unknown kind."""


class ShrinkageError(BayesGuidedError, ValueError):
    """Parameters of a shrinkage process under which later units are not shrunk harder."""


class ExactLimitError(BayesGuidedError, ValueError):
    """More units or widths than an exact method serves; the message names what to use instead."""


class UnitCostError(BayesGuidedError, ValueError):
    """A cost per unit was asked of a prior under which a unit's cost depends on the other units."""


class UnsupportedFormError(BayesGuidedError, ValueError):
    """A prior was asked for sites of a form that it does not have."""


# Data and fits ------------------------------


class DataError(BayesGuidedError, ValueError):
    """Empty data, NaN or Inf values, mismatched lengths."""


class LabelError(DataError):
    """Labels outside the range that the likelihood expects."""


class DataFileError(BayesGuidedError, ValueError):
    """A data file that is missing, damaged or of another format."""


class ChecksumError(DataFileError):
    """A file under the name of a public data set whose content is not that data set's."""


class SplitIndexError(BayesGuidedError, ValueError):
    """A standard split that the data set does not have, or whose rows are not those of its table."""


class DownloadError(BayesGuidedError, ConnectionError):
    """A data set that could not be fetched over the network."""


class DivergedError(BayesGuidedError, RuntimeError):
    """The loss became NaN or infinite during a fit; the last good checkpoint stays."""


class CollapseError(BayesGuidedError, RuntimeError):
    """Every unit of a group vanished early in the fit, which cannot be undone (P28)."""


class CheckpointError(BayesGuidedError, ValueError):
    """A checkpoint or saved fit that is corrupt, truncated, or belongs to another run."""


# Posteriors and evidence ------------------------------


class PosteriorError(BayesGuidedError, ValueError):
    """Means, standard deviations, draws or indices of a posterior that are not finite, negative, or do not fit together."""


class CovarianceError(BayesGuidedError, ValueError):
    """A covariance or precision matrix that is not positive definite."""


class CurvatureError(BayesGuidedError, ValueError):
    """A curvature was asked of a layer or network that has none in the form asked for."""


# Comparisons ------------------------------


class PriorMismatchError(BayesGuidedError, ValueError):
    """A fit is compared with a prior that it was not made under."""


class ComparisonError(BayesGuidedError, ValueError):
    """Comparisons that cannot stand side by side, or a fit asked for by a name that is not there."""


class ComparisonFileError(BayesGuidedError, ValueError):
    """A file that is missing, damaged, of another version, or holds no comparison."""


class OutputExistsError(BayesGuidedError, FileExistsError):
    """An output file exists and was not to be replaced."""


class MissingExtraError(BayesGuidedError, ImportError):
    """An optional package that the call needs is not installed."""


# Runs and configuration ------------------------------


class ConfigError(BayesGuidedError, ValueError):
    """A configuration with an unknown key, a wrong type, or a value out of range."""


class RunFolderError(BayesGuidedError, OSError):
    """A run folder that holds another run, or cannot be written."""


class StorageError(BayesGuidedError, ValueError):
    """A sweep's storage that cannot be reached, or holds another sweep."""


class SchedulerError(BayesGuidedError, ConnectionError):
    """A sweep's scheduler that cannot be reached, or workers that keep dying."""
