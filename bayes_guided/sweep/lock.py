"""One process at a time does a sweep."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayes_guided.exceptions import RunFolderError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for the body; the lock goes with the process, however that ends.

    Raises:
        RunFolderError: if another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise RunFolderError(f"cannot write '{folder}': {error.strerror}; give a folder that can be written.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(
                f"another process is at the sweep in '{folder}'; wait for it, or look with `sweep status`."
            ) from error
        yield
