"""How the cost of discovery, prior, guided step and reduction grows with the network: seconds, shares, log-log slopes.

    python -m experiments.benchmarks.scale [--quick] [--out FILE]

A residual network of bottleneck blocks at four widths up to ResNet-50's 25.6 M parameters takes one guided step at batch 8
(images of 96 x 96) and is reduced; a transformer encoder at four depths up to 99 M parameters gets its prior over models,
widths and masks. Gradients, plain Adam's step and ProximalAdam's step are timed one by one with torch.utils.benchmark, so
that "penalty and prox" is what ProximalAdam's step adds to Adam's, as a share of the whole plain step. Slopes are fits of log
seconds on log parameters by least squares. Peak memory is `map_memory`'s.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils import benchmark

import bayes_guided as bg
from experiments.benchmarks.large_nets import ResNet50, transformer

IMAGE, BATCH = 96, 8
WIDTHS, DEPTHS = (8, 16, 32, 64), (2, 4, 8, 14)
QUICK_WIDTHS, QUICK_DEPTHS = (4, 8), (1, 2)


def residual(width: int) -> dict[str, float]:
    """Seconds and shares of one residual network."""
    torch.manual_seed(0)
    net = ResNet50(width)
    inputs, targets = torch.randn(BATCH, 3, IMAGE, IMAGE), torch.randint(1000, (BATCH,))
    seconds, architecture = _timed(lambda: bg.Architecture.from_module(net, inputs[:2]))
    row = {**_sizes(net, architecture), "discovery_s": seconds}
    row["prior_s"], prior = _timed(lambda: _prior(architecture))
    adam = torch.optim.Adam(net.parameters(), lr=1e-4)
    guided = bg.optim.ProximalAdam(net, prior, dataset_size=60_000, lr=1e-4, warmup_steps=0)

    def gradients() -> None:
        net.zero_grad(set_to_none=True)
        cross_entropy(net(inputs), targets).backward()

    gradients()
    row["gradients_s"] = _median(gradients)
    row["adam_s"], row["guided_s"] = _median(adam.step), _median(guided.step)
    row["penalty_and_prox_share"] = (row["guided_s"] - row["adam_s"]) / (row["gradients_s"] + row["adam_s"])
    rows = architecture.rows(net)
    masks = {name: torch.arange(len(row)) % 2 == 0 for name, row in rows.items()}
    zeros = {name: row.detach() * masks[name][:, None] for name, row in rows.items()}
    architecture.write_rows(net, zeros)
    row["reduce_s"], small = _timed(lambda: bg.reduce(net, architecture.sub_architecture(masks)))
    row["parameters_reduced"] = sum(parameter.numel() for parameter in small.parameters())
    return row


def encoder(layers: int, width: int = 768) -> dict[str, float]:
    """Seconds of one transformer encoder: its units, the prior over them, and its widths and masks."""
    torch.manual_seed(0)
    net = transformer(width, layers)
    seconds, architecture = _timed(lambda: bg.Architecture.from_module(net, torch.randn(2, 16, width)))
    row = {**_sizes(net, architecture), "discovery_s": seconds}
    row["prior_s"], models = _timed(lambda: _prior(architecture).model_prior("evidence", curvature=100.0))
    row["masks_s"], masks = _timed(lambda: models.sample(10))
    row["widths_s"], _ = _timed(lambda: [models.width_pmf(group.name) for group in architecture.groups])
    one = {name: mask[0] for name, mask in masks.items()}
    row["sub_architecture_s"], _ = _timed(lambda: architecture.sub_architecture(one, allow_empty=True).num_parameters)
    return row


def _sizes(net: nn.Module, architecture: bg.Architecture) -> dict[str, float]:
    return {
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "groups": len(architecture.groups),
        "units": architecture.num_units,
    }


def _prior(architecture: bg.Architecture) -> bg.GuidedPrior:
    return bg.GuidedPrior(architecture, bg.priors.GroupLaplace(strength=1e-3), bg.guidance.linear())


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _median(step: Callable[[], Any]) -> float:
    timer = benchmark.Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=1.0).median


def slopes(rows: list[dict[str, float]]) -> dict[str, float]:
    """Log-log slope of every time against the number of parameters."""
    sizes = np.log([row["parameters"] for row in rows])
    return {
        name: float(np.polyfit(sizes, np.log([row[name] for row in rows]), 1)[0]) for name in rows[0] if name.endswith("_s")
    }


def main() -> None:
    """Measures both families and prints their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small networks")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    families = {
        "residual network, by width": [residual(width) for width in (QUICK_WIDTHS if arguments.quick else WIDTHS)],
        "transformer encoder, by depth": [encoder(depth) for depth in (QUICK_DEPTHS if arguments.quick else DEPTHS)],
    }
    report = {name: {"sizes": rows, "slopes": slopes(rows)} for name, rows in families.items()}
    for name, family in report.items():
        print(f"\n{name} ({arguments.threads} threads)")
        for key in family["sizes"][0]:
            values = "".join(f"{row[key]:14.4g}" for row in family["sizes"])
            slope = family["slopes"].get(key)
            print(f"  {key:24s}{values}" + ("" if slope is None else f"   slope {slope:.2f}"))
    if arguments.out:
        arguments.out.write_text(json.dumps({"threads": arguments.threads, **report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
