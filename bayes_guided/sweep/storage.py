"""Databases that keep sweeps: how they are reached, and how it is said that they are not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from bayes_guided.exceptions import StorageError

from .quiet import quiet_optuna

SECONDS_TO_CONNECT = 8
_DAMAGED = ("database disk image is malformed", "file is not a database")
"""What SQLite says of a damaged file."""
_TIME_LIMITS = {"sqlite": "timeout", "postgresql": "connect_timeout", "mysql": "connect_timeout"}
"""What the drivers of these databases call the time that they wait for a connection, or for SQLite's lock."""


def connected(url: str) -> RDBStorage:
    """The database at an SQLAlchemy URL.

    Raises:
        StorageError: if there is none, it cannot be reached within 8 seconds, or another version of Optuna made it.
    """
    with reaching(url):
        limit = _TIME_LIMITS.get(make_url(url).get_backend_name())
        arguments = {} if limit is None else {limit: SECONDS_TO_CONNECT}
        try:
            return RDBStorage(url, engine_kwargs={"connect_args": arguments, "pool_pre_ping": True})
        except RuntimeError as error:  # how Optuna says that the tables are another version's
            raise _refusal(url, error) from error


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turns what goes wrong with the database in the body into the package's own error.

    Raises:
        StorageError: if the database cannot be used.
    """
    try:
        with quiet_optuna():
            yield
    except StorageInternalError as error:
        raise _refusal(url, error.__cause__ or error) from error
    except (SQLAlchemyError, ImportError) as error:
        raise _refusal(url, error) from error


def shown(url: str) -> str:
    """The address without passwords."""
    try:
        parts = make_url(url)
    except SQLAlchemyError:
        return url.partition("://")[0]
    secrets = [key for key in parts.query if "pass" in key]
    return parts.difference_update_query(secrets)._replace(password=None).render_as_string()


def local_url(folder: Path) -> str:
    """The SQLite file in a sweep's folder."""
    return f"sqlite:///{(folder / 'sweep.db').resolve()}"


def _refusal(url: str, error: BaseException) -> StorageError:
    reason = (str(error).strip().splitlines() or [""])[0]
    mend = "check the address and that the server runs. What is done is kept: start the sweep again to go on."
    if any(said in reason for said in _DAMAGED):
        mend = "the file is damaged: delete it and start the sweep again; finished runs are found and not repeated."
    return StorageError(f"the storage '{shown(url)}' cannot be used ({type(error).__name__}: {reason}); {mend}")
