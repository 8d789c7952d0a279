"""Row or norm: error against size for ResNet-20 under either reading of "which part of a row is penalised".

    python -m experiments.penalised_part.run [--quick] [--data-dir DIR] [--threads N]

Writes results.json beside this file after every fit, and goes on where it stopped.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import yaml
from torch.nn.functional import avg_pool2d

import bayes_guided as bg
from experiments.spread import spread

HERE = Path(__file__).parent
BEGIN, END = "<!-- results -->", "<!-- /results -->"
QUICK = {"training_images": 500, "epochs": 1, "refit_epochs": 1, "seeds": [0], "strengths": {"row": [3.0], "norm": [10.0]}}


def load(data_dir: Path | None, images: int, fraction: float) -> bg.datasets.Dataset:
    """Fashion-MNIST, its first `images` training images, averaged to 14 x 14, with a validation split."""
    full = bg.datasets.load_idx(bg.datasets.data_folder(data_dir) / "fashion-mnist", flat=False)
    part = bg.datasets.Dataset(
        train_x=avg_pool2d(full.train_x[:images], 2),
        train_y=full.train_y[:images],
        test_x=avg_pool2d(full.test_x, 2),
        test_y=full.test_y,
        name="fashion-mnist, 14 x 14",
        num_classes=10,
    )
    return part.split_validation(fraction, seed=0)


def fit(data: bg.datasets.Dataset, part: str, strength: float, seed: int, config: dict[str, Any]) -> dict[str, Any]:
    """One fit and what it gives: errors as fractions, sizes as counts."""
    torch.manual_seed(seed)
    net = bg.nets.resnet20(in_channels=1)
    architecture = bg.Architecture.from_module(net, data.train_x[:2])
    prior = bg.GuidedPrior(
        architecture,
        weights=bg.priors.GroupLaplace(strength=strength),
        guidance=bg.guidance.linear(),
        penalised=part,  # pyright: ignore[reportArgumentType]
    )
    started = time.perf_counter()
    found = bg.fit_map(
        net,
        prior,
        (data.train_x, data.train_y),
        epochs=config["epochs"],
        refit_epochs=config["refit_epochs"],
        batch_size=config["batch_size"],
        lr=config["lr"],
        allow_empty=True,
        seed=seed,
    )
    sub = found.sub_architecture()
    assert data.validation_x is not None
    assert data.validation_y is not None
    held_out = (data.validation_x, data.validation_y)
    return {
        "part": part,
        "strength": strength,
        "seed": seed,
        "units": sub.num_units,
        "parameters": sub.num_parameters,
        "macs": sub.macs,
        "collapsed": found.collapsed,
        "validation_error": found.evaluate(held_out).error,
        "validation_error_refit": found.evaluate(held_out, refit=True).error,
        "test_error": found.evaluate((data.test_x, data.test_y)).error,
        "test_error_refit": found.evaluate((data.test_x, data.test_y), refit=True).error,
        "seconds": time.perf_counter() - started,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Means over seeds, errors of the refitted network with their range, as a Markdown table."""
    lines = [
        "| penalised | strength | seeds | units of 448 | parameters | MACs | validation error | test error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    settings = list(dict.fromkeys((row["part"], row["strength"]) for row in results))
    for part, strength in sorted(settings, key=lambda setting: (setting[0] != "row", setting[1])):
        rows = [row for row in results if (row["part"], row["strength"]) == (part, strength)]
        sizes = [f"{mean(row[name] for row in rows):,.0f}" for name in ("units", "parameters", "macs")]
        errors = [spread([row[name] for row in rows], ".1%") for name in ("validation_error_refit", "test_error_refit")]
        lines.append(f"| {part} | {strength:g} | {len(rows)} | {' | '.join([*sizes, *errors])} |")
    return "\n".join(lines)


def write_table(results: list[dict[str, Any]]) -> None:
    """Puts the table into README.md, between its markers."""
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}")


def main() -> None:
    """Runs every fit that results.json does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small fit of each part, nothing written")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = yaml.safe_load((HERE / "config.yaml").read_text()) | (QUICK if arguments.quick else {})
    data = load(arguments.data_dir, config["training_images"], config["validation_fraction"])
    stored = HERE / "results.json"
    results = json.loads(stored.read_text()) if stored.exists() and not arguments.quick else []
    done = {(row["part"], row["strength"], row["seed"]) for row in results}
    for seed in config["seeds"]:
        for part, strengths in config["strengths"].items():
            for strength in strengths:
                if (part, strength, seed) in done:
                    continue
                results.append(fit(data, part, strength, seed, config))
                print({name: value for name, value in results[-1].items() if name != "collapsed"}, flush=True)
                if not arguments.quick:
                    stored.write_text(json.dumps(results, indent=1) + "\n")
    if not arguments.quick:
        write_table(results)


if __name__ == "__main__":
    main()
