"""A real PostgreSQL as the store, where one can be started."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayes_guided.exceptions import StorageError
from bayes_guided.sweep import load_sweep, open_store, read_sweep, run_sweep
from tests.sweep.conftest import numbers, write_sweep


def _tool(name: str) -> str:
    places = [Path(found) for found in [shutil.which(name)] if found] + sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    )
    if not places:
        pytest.skip(f"{name} is not installed: no PostgreSQL can be started")
    return str(places[-1])


def _user() -> int | None:
    """The account that runs the server: this one, unless that is root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        pytest.skip("these tests run as root, as which PostgreSQL does not start, and there is no user postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database that asks for a password."""
    initdb, pg_ctl, user = _tool("initdb"), _tool("pg_ctl"), _user()
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: it holds the server's socket
    if user is not None:
        os.chown(folder, user, -1)
    (folder / "password").write_text("hush")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def call(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd=folder, capture_output=True, text=True, timeout=60, env={"LC_ALL": "C"})
        if done.returncode != 0:
            pytest.skip(f"{Path(command[0]).name} does not work here: {done.stderr.strip()[-300:]}")

    place = str(folder / "data")
    call(initdb, "-D", place, "-U", "me", "-A", "scram-sha-256", "-E", "UTF8", f"--pwfile={folder / 'password'}", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    # Its output goes to a file: a server that inherits a pipe would keep it open.
    call(pg_ctl, "-D", place, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://me:hush@127.0.0.1:{port}/postgres"
    finally:
        call(pg_ctl, "-D", place, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def test_the_same_sweep_as_in_a_file(server: str, tmp_path: Path, cluster: str) -> None:
    in_file = load_sweep(write_sweep(tmp_path, trials=2))
    in_server = load_sweep(write_sweep(tmp_path, trials=2, storage=server))
    one = run_sweep(in_file, tmp_path / "file", scheduler=cluster).store
    two = run_sweep(in_server, tmp_path / "server", scheduler=cluster).store
    assert [(trial.values, trial.results) for trial in one.trials()] == [
        (trial.values, trial.results) for trial in two.trials()
    ]
    assert numbers(tmp_path / "file") == numbers(tmp_path / "server")
    assert read_sweep(tmp_path / "server", server).trials() == two.trials()
    assert "hush" not in (tmp_path / "server" / "sweep.json").read_text()
    assert not (tmp_path / "server" / "sweep.db").exists()
    # One sweep of that name is in the server now.
    with pytest.raises(StorageError, match="with its runs in another folder"):
        run_sweep(in_server, tmp_path / "elsewhere", scheduler=cluster)


def test_a_wrong_password_is_named_but_not_shown(server: str, tmp_path: Path) -> None:
    sweep = load_sweep(write_sweep(tmp_path, name="other", storage=server.replace("hush", "guess")))
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="password authentication failed") as caught:
        open_store(sweep, tmp_path / "out")
    assert "guess" not in str(caught.value)
