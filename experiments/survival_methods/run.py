"""All readings of survival by all methods on one problem.

python -m experiments.survival_methods.run [--quick | --draw]

Writes results.json and survival.png beside this file, and the tables into README.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from .chains import references
from .figure import draw
from .fits import approximations
from .problem import GROUP, HERE, Config, Problem
from .tables import fill, tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--quick", action="store_true", help="small budgets, printed, nothing written")
    chosen.add_argument("--draw", action="store_true", help="nothing computed: tables and figure from results.json")
    options = parser.parse_args(arguments)
    stored = HERE / "results.json"
    results = json.loads(stored.read_text()) if options.draw else compute(Config.load(quick=options.quick))
    print("\n\n".join(tables(results).values()))
    if not options.quick:
        stored.write_text(json.dumps(results, indent=1) + "\n")
        draw(results, HERE / "survival.png")
        readme = HERE / "README.md"
        readme.write_text(fill(readme.read_text(), results))
    return 0


def compute(config: Config) -> dict[str, Any]:
    """Every answer, as JSON values; on one thread, which is fastest for a network so small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        problem = Problem(config)
        started = time.process_time()
        answers = [answer.to_json() for answer in (*approximations(problem), *references(problem))]
        seconds = time.process_time() - started
    finally:
        torch.set_num_threads(threads)
    return {"guidance": problem.prior.coefficients[GROUP].tolist(), "cpu_seconds": seconds, "answers": answers}


if __name__ == "__main__":
    sys.exit(main())
