"""Who does the trials: local processes, or the workers of a Dask cluster that is already there."""

import asyncio
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from dask import config as dask_config
from distributed import Client, LocalCluster
from distributed.comm.core import connect
from distributed.security import Security

from bayes_guided.exceptions import ConfigError, SchedulerError

SECONDS_TO_CONNECT = 8
DEATHS = 3
"""A trial is given up when it has killed this many local workers."""


@contextmanager
def workers(count: int | None, threads: int, scheduler: str | None) -> Iterator[Client]:
    """A client of the workers: those of the cluster at the `scheduler` address, or `count` processes on this machine.

    The local ones end with the body. Their number times `threads` is at most that of cores: processes of several threads each
    that share cores slow one another a hundredfold.

    Raises:
        SchedulerError: if there is no scheduler at the address.
        ConfigError: if the local processes would have more threads than there are cores.
    """
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield client
        return
    count = _number(count, threads)
    libraries = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    settings = {
        "distributed.nanny.pre-spawn-environ": {name: str(threads) for name in libraries},
        "distributed.worker.daemon": False,  # a trial may start processes of its own, to load data
        "distributed.scheduler.allowed-failures": DEATHS - 1,
    }
    with (
        dask_config.set(settings),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: several sweeps may run on one machine
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def num_workers(client: Client) -> int:
    """How many workers there are now; 0 while a queueing system has not started any."""
    return len(client.scheduler_info(n_workers=-1)["workers"])


def _number(count: int | None, threads: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count is None:
        return max(1, cores // threads)
    if threads > 1 and count * threads > cores:
        raise ConfigError(
            f"{count} workers of {threads} threads are more than this machine's {cores} cores; lower 'workers' or 'threads'."
        )
    return count


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    # A Client that fails to connect closes itself when it is collected as garbage, whenever that is, and can then block for
    # ever on a lock of Dask's; so none is made before something answers. In a thread, for a notebook's own has an event loop.
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(lambda: asyncio.run(_answers(scheduler))).result()
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError(
            f"there is no Dask scheduler at '{scheduler}' ({type(error).__name__}); start one with `dask scheduler` and give "
            "the address that it prints."
        ) from error
    with client:
        yield client


async def _answers(scheduler: str) -> None:
    comm = await connect(scheduler, timeout=SECONDS_TO_CONNECT, **Security().get_connection_args("client"))
    await comm.close()
