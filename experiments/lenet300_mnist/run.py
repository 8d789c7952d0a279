"""Runs the configuration for three seeds and writes the table of README.md from what they measured.

    python -m experiments.lenet300_mnist.run [--data-dir DIR] [--quick]

Three full runs took 26 to 53 s each on one thread of a busy two-core machine. `--quick` runs one epoch of one seed and
writes nothing.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from bayes_guided.config import load_config
from bayes_guided.run import run

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
COLUMNS = ("seed", "widths", "parameters_after", "macs_after", "test_error_reduced", "test_error_refit", "seconds")
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def measure(seed: int, data_dir: Path | None, overrides: list[str]) -> dict[str, object]:
    """One run in a temporary folder: its metrics, last-epoch test errors as fractions."""
    config = load_config(HERE / "config.yaml", overrides=[f"seed={seed}", *overrides], data_dir=data_dir)
    with tempfile.TemporaryDirectory() as folder:
        run(config, Path(folder) / "run")
        metrics = json.loads((Path(folder) / "run" / "metrics.json").read_text())
    return {name: metrics[name] for name in COLUMNS}


def table(results: list[dict[str, object]]) -> str:
    """The results as a Markdown table, with the mean over seeds."""
    lines = [
        "| seed | inputs-hidden-hidden | parameters | MACs | test error of the reduced MAP | refitted | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results:
        widths = "-".join(str(width) for width in [784, *row["widths"]])  # pyright: ignore[reportGeneralTypeIssues]
        errors = f"{row['test_error_reduced']:.2%} | {row['test_error_refit']:.2%}"
        size = f"{row['parameters_after']:,} | {row['macs_after']:,}"
        lines.append(f"| {row['seed']} | {widths} | {size} | {errors} | {row['seconds']:.0f} |")
    means = [statistics.mean(float(row[name]) for row in results) for name in COLUMNS[-3:]]  # pyright: ignore[reportArgumentType]
    lines.append(f"| mean | | | | {means[0]:.2%} | {means[1]:.2%} | {means[2]:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Runs all seeds and rewrites results.json and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        print(table([measure(0, arguments.data_dir, ["fit.epochs=1", "fit.refit_epochs=1"])]))
        return
    results = [measure(seed, arguments.data_dir, []) for seed in SEEDS]
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}")
    print(table(results))


if __name__ == "__main__":
    main()
