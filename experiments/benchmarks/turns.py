"""Steps timed in turns, block by block, so that a change of the machine's speed meets all candidates."""

import argparse
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch.utils import benchmark

Rows = dict[str, dict[str, float]]


def arguments_of(description: str | None) -> argparse.Namespace:
    """`threads` (set at once), `blocks`, `seconds` of each block and `out` from the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each block")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def in_turns(steps: Mapping[str, Callable[[], None]], blocks: int, seconds: float, baseline: str) -> Rows:
    """Median milliseconds of each step, and its ratio to the baseline's: median, least and greatest over the blocks."""
    timers = {
        name: benchmark.Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
        for name, step in steps.items()
    }
    times: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(blocks):
        for name, timer in timers.items():
            times[name].append(timer.blocked_autorange(min_run_time=seconds).median)
    found = {}
    for name, values in times.items():
        ratios = [value / base for value, base in zip(values, times[baseline], strict=True)]
        found[name] = {
            "median_ms": 1000 * statistics.median(values),
            "ratio": statistics.median(ratios),
            "ratio_low": min(ratios),
            "ratio_high": max(ratios),
        }
    return found


def print_rows(rows: Rows) -> None:
    """One line for each candidate."""
    for name, row in rows.items():
        spread = f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
        print(f"  {name:32s} {row['median_ms']:9.3f} ms   ratio {row['ratio']:.3f}  ({spread})")
