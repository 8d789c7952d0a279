"""The numbers of a run."""

import json
import platform
import resource
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from bayes_guided.exceptions import RunFolderError
from bayes_guided.files import write_atomically

_PACKAGES = {"torch": "torch", "pyro": "pyro-ppl", "bayes_guided": "bayes-guided"}


@dataclass(frozen=True)
class Metrics:
    """What `metrics.json` holds.

    `method` made the fit, and `approximation` says what stands between its survivals and the posterior. Errors are fractions
    misclassified or root mean squared errors in the data's own units (`error_name` says which): `_error` is the fit's, of its
    posterior predictive mean over 100 draws where it has draws; `_error_reduced` the reduced network's at the fit's
    representative weights, and `_error_refit` after training that on without guidance; `_error_unguided` that of the full
    network trained without guidance for the same number of epochs; those that were not measured are None. `test_nll` is minus
    the log predictive density, nats per case (of standardised targets), `test_calibration_error` as in `Evaluation`.

    `reading` and `curvature` are those of the comparison of prior and posterior; `effective_units_prior` and `effective_units`
    are the expected numbers of units before and after the data in that reading. `widths` are the units left per group in
    network order, as `group_names`. Parameters and MACs per sample are counts.

    `seconds` is the wall time of fit and refit in the process that finished the run, `seconds_unguided` that of the baseline,
    `seconds_total` that of everything, figures included. `peak_memory_mb` is the process's largest resident memory in MiB.
    """

    method: str
    approximation: str
    error_name: str
    test_error: float
    test_nll: float
    test_calibration_error: float
    test_error_reduced: float
    test_error_refit: float | None
    test_error_unguided: float | None
    validation_error: float | None
    validation_error_refit: float | None
    validation_error_unguided: float | None
    group_names: list[str]
    widths: list[int]
    widths_before: list[int]
    units_before: int
    units_after: int
    parameters_before: int
    parameters_after: int
    macs_before: int
    macs_after: int
    reading: str
    curvature: float | None
    effective_units_prior: float
    effective_units: float
    epochs: int
    refit_epochs: int
    seconds: float
    seconds_unguided: float | None
    seconds_total: float
    peak_memory_mb: float
    seed: int
    versions: dict[str, str]

    def save(self, path: Path) -> None:
        """Writes the numbers as JSON, atomically.

        Raises:
            RunFolderError: if the file cannot be written.
        """
        write_atomically(path, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @staticmethod
    def load(path: Path) -> "Metrics":
        """Reads what `save` wrote.

        Raises:
            RunFolderError: if the file is missing, damaged, or of another version.
        """
        try:
            return Metrics(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise RunFolderError(f"there is no '{path}': the run is unfinished; start it again to finish it.") from error
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(
                f"'{path}' is damaged or from another version ({error}); run anew in another folder."
            ) from error


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def versions() -> dict[str, str]:
    """The versions of what a run's numbers depend on."""
    return {"python": platform.python_version(), **{name: version(package) for name, package in _PACKAGES.items()}}
