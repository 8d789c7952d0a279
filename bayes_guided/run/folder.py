"""The run folder: which run it holds, and how far that has come."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bayes_guided.config import RunConfig, load_config, to_yaml
from bayes_guided.exceptions import BayesGuidedError, RunFolderError
from bayes_guided.files import write_atomically

from .ownership import CONFIG, is_free


@dataclass(frozen=True)
class RunFolder:
    """Where everything of one run lies. `metrics.json` is written last: a folder that has it is finished."""

    path: Path

    @property
    def config(self) -> Path:
        """The settings, completed."""
        return self.path / CONFIG

    @property
    def metrics(self) -> Path:
        """The numbers."""
        return self.path / "metrics.json"

    @property
    def fit(self) -> Path:
        """The folder of the saved fit."""
        return self.path / "fit"

    @property
    def comparison(self) -> Path:
        """Prior and posterior side by side, as NetCDF."""
        return self.path / "comparison.nc"

    @property
    def reduced(self) -> Path:
        """The folder of the reduced network."""
        return self.path / "reduced"

    @property
    def checkpoint(self) -> Path:
        """The folder of checkpoints, there only while the run is unfinished."""
        return self.path / "checkpoint"

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """The page on the run, which `report` writes after the run is finished."""
        return self.path / "report.html"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.metrics.exists()


@contextmanager
def claimed(folder: RunFolder, config: RunConfig) -> Iterator[None]:
    """Makes the folder this run's, for the body.

    If the body refuses the run before anything worth keeping (a checkpoint, a fit) was written, the folder is as it was.

    Raises:
        RunFolderError: if the folder holds something else, or cannot be written.
    """
    is_new = check_owner(folder, config)
    created = _missing_folders(folder.path)
    if is_new:
        write_atomically(folder.config, to_yaml(config).encode())
    try:
        yield
    except BayesGuidedError:
        if is_new and not (folder.checkpoint.exists() or folder.fit.exists()):
            folder.config.unlink(missing_ok=True)
            for made in created:
                if not any(made.iterdir()):
                    made.rmdir()
        raise


def check_owner(folder: RunFolder, config: RunConfig) -> bool:
    """True if the folder is free (absent or empty), False if it holds this very run.

    Raises:
        RunFolderError: if it holds another run or other files, or cannot be read.
    """
    return is_free(
        folder.path, config.model_dump(mode="json"), lambda path: load_config(path).model_dump(mode="json"), kind="run"
    )


def drop_checkpoint(folder: RunFolder) -> None:
    """Removes the checkpoints of a finished run.

    Raises:
        RunFolderError: if they cannot be removed.
    """
    try:
        shutil.rmtree(folder.checkpoint)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(f"cannot remove '{folder.checkpoint}': {error.strerror}; the run itself is complete.") from error


def _missing_folders(path: Path) -> list[Path]:
    """The folders that are yet to be made for this one, innermost first."""
    return [place for place in (path, *path.parents) if not place.exists()]
