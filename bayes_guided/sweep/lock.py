"""One process at a time does a sweep, and one a trial. Locks go with their process, however that ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bayes_guided.exceptions import RunFolderError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for the body.

    Raises:
        RunFolderError: if another process holds it, or it cannot be written.
    """
    with _opened(folder / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(
                f"another process is at the sweep in '{folder}'; wait for it, or look with `sweep status`."
            ) from error
        yield


@contextmanager
def alone_at(folder: Path) -> Iterator[None]:
    """Holds the folder of a trial for the body, once no other process does; the lock's file lies beside it.

    Raises:
        RunFolderError: if its parent cannot be written.
    """
    with _opened(folder.parent / f".{folder.name}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
    except OSError as error:
        raise RunFolderError(f"cannot write '{path.parent}': {error.strerror}; give a folder that can be written.") from error
