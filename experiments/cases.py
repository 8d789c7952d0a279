"""The cases of an experiment measured one after the other or in several processes, each on one thread."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

Row = dict[str, Any]
Measure = Callable[[Row, Row, Path], Row]
"""(case, settings, data folder) to what was measured."""


def measure_all(
    measure: Measure, cases: list[Row], settings: Row, folder: Path, *, workers: int, minutes: float
) -> Iterator[Row]:
    """The rows as they are ready; at most `workers` cases are under way, and none begins after `minutes`."""
    end = time.monotonic() + 60 * minutes
    left = iter(cases)
    if workers == 1:
        yield from (_one(measure, case, settings, folder) for case in left if time.monotonic() < end)
        return
    # Spawned, not forked: a fork of a process in which torch has started threads can hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: set[Future[Row]] = set()
        while True:
            while len(running) < workers and time.monotonic() < end and (case := next(left, None)) is not None:
                running.add(pool.submit(_one, measure, case, settings, folder))
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)


def _one(measure: Measure, case: Row, settings: Row, folder: Path) -> Row:
    """One case on one thread: more threads than cores in all slow one another a hundredfold."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.process_time()
    try:
        measured = measure(case, settings, folder)
    except Exception as error:
        error.add_note(f"in case {case} (process {os.getpid()})")
        raise
    finally:
        torch.set_num_threads(threads)
    return case | measured | {"cpu_seconds": round(time.process_time() - started, 2)}
