"""The network that a run hands over."""

from pathlib import Path

from bayes_guided.architecture import save_reduced
from bayes_guided.exceptions import RunFolderError
from bayes_guided.infer import MAPFit


def save_smaller(fit: MAPFit, folder: Path) -> None:
    """Writes the network that a fit hands over: the refitted one if there is one, else the reduced MAP.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    small = fit.reduce() if fit.refit is None else fit.refit.net
    try:
        save_reduced(small, fit.sub_architecture(), folder)
    except OSError as error:
        raise RunFolderError(f"cannot write '{folder}': {error.strerror}; give a folder that can be written.") from error
