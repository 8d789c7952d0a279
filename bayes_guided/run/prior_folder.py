"""The folder that a prior is shown in: which one it holds."""

from pathlib import Path
from typing import Any

import yaml

from bayes_guided.config import PriorConfig, to_yaml
from bayes_guided.config.yaml_files import read_yaml
from bayes_guided.exceptions import ConfigError, RunFolderError
from bayes_guided.files import write_atomically

CONFIG = "config.yaml"


def require_free(folder: Path, config: PriorConfig) -> None:
    """Refuses a folder that is neither free (absent or empty) nor this very prior's.

    Raises:
        RunFolderError: if so, or if it cannot be read.
    """
    try:
        # Names with a leading dot are what a killed atomic write leaves behind.
        occupied = folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"'{folder}' cannot be used as a folder: {error.strerror}; give another with --out.") from error
    if not occupied:
        return
    if not (folder / CONFIG).exists():
        raise RunFolderError(f"'{folder}' holds other files and no prior; give an empty or new folder with --out.")
    held, wanted = _settings(folder / CONFIG), yaml.safe_load(to_yaml(config))
    differing = [key for key in {**held, **wanted} if held.get(key) != wanted.get(key)]
    if differing:
        raise RunFolderError(
            f"'{folder}' holds another prior or a run (it differs in {', '.join(differing)}); give another folder with --out, "
            "or delete that one."
        )


def claim(folder: Path, config: PriorConfig) -> None:
    """Makes a free folder this prior's.

    Raises:
        RunFolderError: if it cannot be written.
    """
    write_atomically(folder / CONFIG, to_yaml(config).encode())


def _settings(path: Path) -> dict[Any, Any]:
    try:
        held = read_yaml(path)
    except ConfigError as error:
        raise RunFolderError(f"'{path}' is damaged ({error}); give another folder with --out.") from error
    if not isinstance(held, dict):
        raise RunFolderError(f"'{path}' is damaged: it is no mapping; give another folder with --out.")
    return held
