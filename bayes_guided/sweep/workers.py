"""Who does the trials: local processes, or the workers of a Dask cluster that is already there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from bayes_guided.exceptions import SchedulerError

_SECONDS_TO_CONNECT = 10


@contextmanager
def workers(count: int, scheduler: str | None) -> Iterator[tuple[Client, int]]:
    """A client of the workers, and how many threads a trial may use.

    Without a `scheduler` address, `count` processes on this machine for the body, which share its cores: two processes of two
    threads each on two cores slow one another a hundredfold. On a cluster every worker's own number of threads holds.

    Raises:
        SchedulerError: if there is no scheduler at the address.
    """
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield (
                client,
                max(1, min((worker["nthreads"] for worker in client.scheduler_info()["workers"].values()), default=1)),
            )
        return
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    environment = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    settings = {"distributed.nanny.pre-spawn-environ": environment, "distributed.worker.daemon": False}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client, threads


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise SchedulerError(
            f"there is no Dask scheduler at '{scheduler}' ({error}); start one with `dask scheduler` and give the "
            "address that it prints."
        ) from error
    with client:
        yield client
