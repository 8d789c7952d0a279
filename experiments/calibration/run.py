"""Simulation-based calibration: which methods' inclusion probabilities may be believed?

    python -m experiments.calibration.run [--quick] [--methods NAME ...] [--data-sets N] [--workers N]

Data sets are drawn from the prior predictive distribution and given to every method. Writes results.json beside this file
and the README's table from it; methods that are not named keep their old results.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import torch

from .methods import Method, Posteriors, methods
from .problem import HERE, Config, Problem
from .tables import fill, table

CHUNK = 5
"""Data sets a worker takes at a time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the methods; 0 iff those that claim to be exact pass and the wrong prior fails."""
    options = _parse(arguments)
    config = Config.load()
    if options.quick:
        config = replace(config, data_sets=config.quick_data_sets)
    results = [calibrate(config, name, options.data_sets, options.workers) for name in options.methods or config.data_sets]
    print(table(results))
    if not options.quick and options.data_sets is None:
        _store(results, config)
    return int(any(not as_expected(result) for result in results))


def calibrate(config: Config, name: str, data_sets: int | None = None, workers: int = 1) -> dict[str, Any]:
    """The calibration of one method, as JSON values."""
    count = config.data_sets[name] if data_sets is None else data_sets
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    if workers == 1:
        pieces = [run_chunk(config, name, chunk) for chunk in chunks]
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            pieces = list(pool.map(run_chunk, *zip(*[(config, name, chunk) for chunk in chunks], strict=True)))
    return _summary(_methods(config)[name], [row for piece in pieces for row in piece])


def run_chunk(config: Config, name: str, indices: range) -> list[dict[str, Any]]:
    """What a method says of each of these data sets, as lists of numbers: tensors do not travel between processes well."""
    method = _methods(config)[name]
    rows = []
    for index in indices:
        data = method.problem.draw(index)
        started = time.process_time()
        inclusion, widths = method.posterior(data.targets, seed=index)
        seconds = time.process_time() - started
        error = (inclusion - _exact_inclusion(json.dumps(asdict(config)), index)).abs()
        rows.append(
            {
                "present": data.present.tolist(),
                "uniform": data.uniform,
                "inclusion": inclusion.tolist(),
                "widths": widths.tolist(),
                "error": error.tolist(),
                "seconds": seconds,
            }
        )
    return rows


def as_expected(result: dict[str, Any]) -> bool:
    """The exact methods pass, the wrong prior fails; of approximations nothing is asked."""
    if result["method"] in {"exact", "MCMC"}:
        return result["passed"]
    return result["method"] != "wrong prior" or not result["passed"]


@cache
def _set_up(config: str) -> dict[str, Method]:
    """The methods by name; a worker makes them once."""
    return {method.name: method for method in methods(Problem(Config(**json.loads(config))))}


@cache
def _exact_inclusion(config: str, index: int) -> torch.Tensor:
    """Once per data set and worker, whatever the number of methods."""
    exact = _set_up(config)["exact"]
    return exact.posterior(exact.problem.draw(index).targets, seed=index)[0]


def _methods(config: Config) -> dict[str, Method]:
    return _set_up(json.dumps(asdict(config)))


def _summary(method: Method, rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns = {key: torch.tensor([row[key] for row in rows]) for key in rows[0]}
    posteriors = Posteriors(columns["inclusion"], columns["widths"])
    found = method.table(columns["present"], posteriors, columns["uniform"])
    return {
        "method": method.name,
        "data_sets": found.data_sets,
        "z": found.z,
        "unit_z": found.unit_z.tolist(),
        "ks_p": found.ks_p,
        "passed": found.passed,
        "mean_error": float(columns["error"].mean()),
        "largest_error": float(columns["error"].max()),
        "seconds_per_set": float(columns["seconds"].mean()),
    }


def _store(results: list[dict[str, Any]], config: Config) -> None:
    """Puts the results beside those of methods that did not run, in the order of the settings, and into the README."""
    stored = HERE / "results.json"
    old = json.loads(stored.read_text()) if stored.exists() else []
    known = {result["method"]: result for result in [*old, *results]}
    kept = [known[name] for name in config.data_sets if name in known]
    stored.write_text(json.dumps(kept, indent=1) + "\n")
    readme = HERE / "README.md"
    readme.write_text(fill(readme.read_text(), kept))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few data sets; nothing is written")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="these methods only")
    parser.add_argument("--data-sets", type=int, metavar="N", help="so many data sets for every method; nothing is written")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of one thread each")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
