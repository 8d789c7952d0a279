"""Test RMSE and log predictive density with the chosen widths, on the standard splits of the UCI regression sets.

    python -m experiments.uci_regression.run [--quick] [--data-dir DIR] [--minutes M]

Writes results.json beside this file after every split, the first split of all sets before the second of any, and goes on
where it stopped.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from bayes_guided.datasets import data_folder, load_uci

from .methods import measure
from .tables import fill, table

HERE = Path(__file__).parent
QUICK: dict[str, Any] = {
    "strengths": [1.0, 5.0],
    "epochs": 20,
    "refit_epochs": 5,
    "svi_epochs": 20,
    "members": 2,
    "draws": 10,
    "datasets": {"yacht": {"batch_size": 64, "splits": [0]}},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every split that results.json does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one split of the smallest set, a few epochs, nothing written")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further split after so many minutes")
    given = parser.parse_args(arguments)
    config = yaml.safe_load((HERE / "config.yaml").read_text()) | (QUICK if given.quick else {})
    folder = data_folder(given.data_dir) / "uci"
    stored = HERE / "results.json"
    results = json.loads(stored.read_text()) if stored.exists() and not given.quick else []
    started = time.perf_counter()
    for dataset, split in wanted(config, results):
        if time.perf_counter() - started > 60 * given.minutes:
            break
        data = load_uci(folder / dataset, split=split)
        rows = measure(data, split, config["datasets"][dataset]["batch_size"], config)
        results += rows
        print(json.dumps(rows), flush=True)
        if not given.quick:
            stored.write_text(json.dumps(results, indent=1) + "\n")
    if given.quick:
        print(table(results))
    else:
        (HERE / "README.md").write_text(fill((HERE / "README.md").read_text(), results))
    return 0


def wanted(config: dict[str, Any], results: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """The sets and splits that are not measured yet, split 0 of every set first."""
    done = {(row["dataset"], row["split"]) for row in results}
    pairs = ((dataset, split) for dataset, settings in config["datasets"].items() for split in settings["splits"])
    return sorted((pair for pair in pairs if pair not in done), key=lambda pair: pair[1])


if __name__ == "__main__":
    torch.set_num_threads(1)  # the networks are small: one thread is the fastest
    raise SystemExit(main())
