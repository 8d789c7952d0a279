"""Whose a folder is: free, or that of the settings that it holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bayes_guided.exceptions import ConfigError, RunFolderError

CONFIG = "config.yaml"


def is_free(folder: Path, wanted: dict[str, Any], read: Callable[[Path], dict[str, Any]], kind: str) -> bool:
    """True if the folder is absent or empty, False if its config.yaml, by `read`, holds the `wanted` settings.

    `kind` says in errors what the folder is wanted for: "run" or "prior".

    Raises:
        RunFolderError: if it holds other settings or other files, or cannot be read.
    """
    try:
        # Names with a leading dot are what a killed atomic write leaves behind.
        occupied = folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"'{folder}' cannot be used as a folder: {error.strerror}; give another with --out.") from error
    if not occupied:
        return True
    if not (folder / CONFIG).exists():
        raise RunFolderError(f"'{folder}' holds other files and no {kind}; give an empty or new folder with --out.")
    try:
        held = read(folder / CONFIG)
    except ConfigError as error:
        raise RunFolderError(
            f"'{folder}' holds a {kind} whose config.yaml is damaged ({error}); give another folder with --out."
        ) from error
    differing = _differences(held, wanted)
    if differing:
        raise RunFolderError(
            f"'{folder}' holds another run or prior ({'; '.join(differing)}); give another folder with --out, or "
            "delete that one."
        )
    return False


def _differences(there: Any, here: Any, path: str = "") -> list[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        keys = list(dict.fromkeys([*there, *here]))
        return [
            line for key in keys for line in _differences(there.get(key), here.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if there == here else [f"{path} is {there!r} there, {here!r} here"]
