"""Peak memory of a mean-field SVI fit, as a ratio to plain Adam's.

    python -m experiments.benchmarks.svi_memory [--repeats N] [--out FILE]

As `map_memory`, whose processes these are: every fit in its own fresh process, what it holds after imports, a tiny fit and
data taken off, medians over the repeats. `bg.fit_svi` keeps two numbers per weight, with a gradient and two moments each,
beside the user's network.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

import bayes_guided as bg

from . import map_memory
from .map_memory import EPOCHS, Case, _prior


def fit_svi(case: Case, data: tuple[Tensor, Tensor]) -> None:
    """Mean field by `bg.fit_svi`, local reparameterisation, one particle."""
    net = case.build()
    bg.fit_svi(net, _prior(net, case), data, epochs=EPOCHS, batch_size=case.batch[0], elbo_draws=2, seed=0)


def main() -> None:
    """Measures the cases and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    candidates = {"plain Adam": map_memory.plain_adam, "mean-field SVI (bg.fit_svi)": fit_svi}
    results = {}
    for case in map_memory.CASES:
        results[case] = map_memory.measure(case, arguments.repeats, candidates)
        print(f"\n{case}, {arguments.repeats} repeats: peak above imports and data")
        for name, row in results[case].items():
            spread = f"{row.low_mib:.1f} to {row.high_mib:.1f}"
            print(f"  {name:32s} {row.peak_mib:9.1f} MiB   ratio {row.ratio:.3f}  ({spread} MiB)", flush=True)
    if arguments.out:
        cases = {case: {name: asdict(row) for name, row in rows.items()} for case, rows in results.items()}
        arguments.out.write_text(json.dumps({"repeats": arguments.repeats, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
