"""Workers: whose, how many threads, and what a scheduler that is not there leads to."""

import logging
import os
import time

import pytest
from dask import config as dask_config
from distributed import Client, default_client

from bayes_guided.exceptions import ConfigError, SchedulerError
from bayes_guided.sweep.workers import SECONDS_TO_CONNECT, num_workers, workers


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1"])
def test_no_scheduler(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SECONDS_TO_CONNECT <= 10
    monkeypatch.setattr("bayes_guided.sweep.workers.SECONDS_TO_CONNECT", 1)
    started = time.monotonic()
    with pytest.raises(SchedulerError, match="start one with `dask scheduler`"), workers(None, 1, address):
        pass
    assert time.monotonic() - started < 10


def test_local_workers_share_the_cores_and_leave_nothing_changed() -> None:
    before, level = dask_config.get("distributed"), logging.getLogger("distributed").level
    with workers(1, 1, None) as client:
        assert num_workers(client) == 1
        assert client.submit(os.environ.get, "OMP_NUM_THREADS").result() == "1"
        assert client.submit(os.getpid, pure=False).result() != os.getpid()
        with pytest.raises(ValueError, match="No clients found"):
            default_client()
    assert dask_config.get("distributed") == before
    assert logging.getLogger("distributed").level == level


def test_a_cluster_is_left_running(cluster: str) -> None:
    for _ in range(2):
        with workers(7, 99, cluster) as client:
            client.wait_for_workers(2, timeout=120)  # another test may have killed one, which comes back
            assert num_workers(client) == 2
    with Client(cluster, set_as_default=False) as client:
        assert num_workers(client) == 2


def test_more_threads_than_cores_are_refused() -> None:
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match=f"more than this machine's {cores} cores"), workers(cores, 2, None):
        pass
