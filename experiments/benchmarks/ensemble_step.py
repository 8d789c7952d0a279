"""What an ensemble costs: 16 members trained together against 16 single fits of the same net, data and epochs, in one run.

    python -m experiments.benchmarks.ensemble_step [--threads N] [--out FILE]

The network and the settings are the demo's (digits, 64-256-128-10, batches of 32). Whole calls are timed, so that starts,
batches and records count on both sides. The candidates take turns, block by block, so that a change of the machine's speed
meets all of them; ratios are taken within a block. The bar is 0.35 of 16 times a single fit.

CPU time is given beside wall time: on a machine that other processes share, it leaves out the time that they hold the cores,
though not what they take of the caches, which the stacked weights need more than a single network's.
"""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils import benchmark

import bayes_guided as bg

BAR = 0.35
SINGLE = "fit_map"


def candidates(epochs: int, members: int) -> dict[str, Callable[[], object]]:
    """One single fit, and ensembles that differ by seed, bootstrap and both."""
    digits = bg.datasets.load_digits()
    data = digits.train_x, digits.train_y
    torch.manual_seed(0)
    net = bg.nets.mlp(64, (256, 128), outputs=10)
    architecture = bg.Architecture.from_module(net, digits.train_x[:2])
    prior = bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=1.0), guidance=bg.guidance.linear())

    def single() -> None:
        bg.fit_map(net, prior, data, epochs=epochs, batch_size=32, seed=0)

    def ensemble(vary: bg.infer.Vary) -> Callable[[], None]:
        def run() -> None:
            bg.fit_ensemble(net, prior, data, members=members, vary=vary, epochs=epochs, batch_size=32, seed=0)

        return run

    return {SINGLE: single, **{f"ensemble, {vary}": ensemble(vary) for vary in ("seed", "bootstrap", "both")}}


def measure(blocks: int, epochs: int, members: int) -> dict[str, dict[str, float]]:
    """Median seconds of each candidate, and of an ensemble's ratios to `members` single fits, wall and CPU."""
    given = candidates(epochs, members)
    threads = torch.get_num_threads()
    walls = {name: benchmark.Timer("run()", globals={"run": run}, num_threads=threads) for name, run in given.items()}
    cpus = {
        name: benchmark.Timer("run()", globals={"run": run}, num_threads=threads, timer=time.process_time)
        for name, run in given.items()
    }
    for run in given.values():
        run()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in given}
    for _ in range(blocks):
        for name in given:
            times[name].append((walls[name].timeit(1).median, cpus[name].timeit(1).median))
    rows = {}
    for name, values in times.items():
        ratios = [[value[k] / (members * base[k]) for value, base in zip(values, times[SINGLE], strict=True)] for k in (0, 1)]
        rows[name] = {
            "seconds": statistics.median(value[0] for value in values),
            "ratio": statistics.median(ratios[0]),
            "ratio_low": min(ratios[0]),
            "ratio_high": max(ratios[0]),
            "cpu_ratio": statistics.median(ratios[1]),
        }
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = measure(arguments.blocks, arguments.epochs, arguments.members)
    load = os.getloadavg()[0]
    print(f"{arguments.members} members, {arguments.threads} thread(s), {arguments.blocks} blocks, load {load:.1f} at the end")
    for name, row in rows.items():
        line = f"  {name:22s} {row['seconds']:7.3f} s"
        if name != SINGLE:
            spread = f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}"
            verdict = "within" if row["ratio"] <= BAR else "over"
            line += f"   ratio {row['ratio']:.3f} ({spread}), {verdict} {BAR}; of CPU time {row['cpu_ratio']:.3f}"
        print(line)
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if arguments.out:
        arguments.out.write_text(json.dumps({"threads": arguments.threads, "load": load, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
