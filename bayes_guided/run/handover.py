"""The network that a run hands over."""

from pathlib import Path

from bayes_guided.architecture import save_reduced
from bayes_guided.exceptions import RunFolderError
from bayes_guided.infer import Fit, InclusionFit, MAPFit, Refit


def refit_of(fit: Fit) -> Refit | None:
    """The refit of a fit, None if it has none."""
    return fit.refit if isinstance(fit, MAPFit | InclusionFit) else None


def save_smaller(fit: Fit, folder: Path) -> None:
    """Writes the network that a fit hands over: the refitted one if there is one, else the reduced one.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    refit = refit_of(fit)
    small = fit.reduce() if refit is None else refit.net
    try:
        save_reduced(small, fit.sub_architecture(), folder)
    except OSError as error:
        raise RunFolderError(f"cannot write '{folder}': {error.strerror}; give a folder that can be written.") from error
