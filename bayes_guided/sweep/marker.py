"""The mark in a sweep's folder that says which sweep it belongs to."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bayes_guided.exceptions import BayesGuidedError, RunFolderError, StorageError
from bayes_guided.files import write_atomically

from .settings import Sweep

FILE = "sweep.json"


@dataclass(frozen=True)
class Marker:
    """A sweep's name, the digest of its identity, its folder's own token, and its storage without a password, if not here."""

    name: str
    identity: str
    token: str
    storage: str | None


@contextmanager
def marked(folder: Path, sweep: Sweep) -> Iterator[Marker]:
    """Makes the folder this sweep's, or finds that it is; if the body refuses a sweep that is new to it, the mark goes again.

    Raises:
        RunFolderError: if the folder holds another sweep or other files, or cannot be written.
    """
    name, digest = sweep.config.name, hashlib.sha256(sweep.identity.encode()).hexdigest()
    if (folder / FILE).exists():
        held = _read(folder)
        if (held.name, held.identity) != (name, digest):
            raise RunFolderError(
                f"'{folder}' holds another sweep ('{held.name}'): its space, objectives, sampler or run differ; give another "
                "folder with --out."
            )
        yield held
        return
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise RunFolderError(f"'{folder}' holds other files and no sweep; give an empty or new folder with --out.")
    marker = Marker(name, digest, uuid.uuid4().hex, None)
    write_marker(folder, marker)
    try:
        yield marker
    except BayesGuidedError:
        (folder / FILE).unlink()
        raise


def write_marker(folder: Path, marker: Marker) -> None:
    """Writes the mark, atomically.

    Raises:
        RunFolderError: if it cannot be written.
    """
    write_atomically(folder / FILE, (json.dumps(asdict(marker), indent=2) + "\n").encode())


def read_marker(folder: Path) -> Marker:
    """The mark of a folder in which a sweep was started.

    Raises:
        StorageError: if no sweep was.
        RunFolderError: if the mark is damaged.
    """
    if not (folder / FILE).is_file():
        raise StorageError(f"'{folder}' holds no sweep: '{FILE}' is not there; give a folder that `sweep` made.")
    return _read(folder)


def _read(folder: Path) -> Marker:
    try:
        return Marker(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunFolderError(f"'{folder / FILE}' is damaged ({error}); start the sweep in another folder.") from error
