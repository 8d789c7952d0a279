"""The folder that a prior is shown in: which one it holds."""

from pathlib import Path
from typing import Any

import yaml

from bayes_guided.config import PriorConfig, to_yaml
from bayes_guided.config.yaml_files import read_yaml
from bayes_guided.exceptions import ConfigError
from bayes_guided.files import write_atomically

from .ownership import CONFIG, is_free


def require_free(folder: Path, config: PriorConfig) -> None:
    """Refuses a folder that is neither free (absent or empty) nor this very prior's.

    Raises:
        RunFolderError: if so, or if it cannot be read.
    """
    is_free(folder, yaml.safe_load(to_yaml(config)), _settings, kind="prior")


def claim(folder: Path, config: PriorConfig) -> None:
    """Makes a free folder this prior's.

    Raises:
        RunFolderError: if it cannot be written.
    """
    write_atomically(folder / CONFIG, to_yaml(config).encode())


def _settings(path: Path) -> dict[Any, Any]:
    """As they stand there: a run's are told from a prior's by what they hold."""
    held = read_yaml(path)
    if not isinstance(held, dict):
        raise ConfigError("it is no mapping")
    return held
