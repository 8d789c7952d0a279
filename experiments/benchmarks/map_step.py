"""What a guided MAP step costs: the ratio to a plain Adam step of the same network, in one run.

    python -m experiments.benchmarks.map_step [--threads N] [--out FILE]

Each step is forward, backward, optimiser. The candidates take turns, block by block, so that a change of the machine's speed
meets all of them; medians over the blocks. torch-pruning's GroupNormPruner is printed beside (its `regularize` between
backward and Adam's step).
"""

import argparse
import json
import resource
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as functional
import torch_pruning
from torch import nn
from torch.utils import benchmark

import bayes_guided as bg

CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet300, batch 128": (lambda: bg.nets.lenet300(), (128, 784)),
    "resnet20, batch 64": (lambda: bg.nets.resnet20(in_channels=1), (64, 1, 28, 28)),
}
"""Network and the shape of a batch."""


def plain_adam(net: nn.Module, shape: tuple[int, ...]) -> Callable[[], None]:
    """A step of torch.optim.Adam with torch's defaults."""
    return _step(net, shape, torch.optim.Adam(net.parameters(), lr=1e-3).step)


def guided(net: nn.Module, shape: tuple[int, ...]) -> Callable[[], None]:
    """A step of ProximalAdam under a guided group lasso, past its warm-up."""
    architecture = bg.Architecture.from_module(net, torch.randn(2, *shape[1:]))
    prior = bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=1.0), guidance=bg.guidance.linear())
    optimizer = bg.optim.ProximalAdam(net, prior, dataset_size=60_000, lr=1e-3, warmup_steps=0)
    return _step(net, shape, optimizer.step)


def group_norm_pruner(net: nn.Module, shape: tuple[int, ...]) -> Callable[[], None]:
    """A step of Adam with torch-pruning's sparse training."""
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    pruner = torch_pruning.pruner.GroupNormPruner(
        net,
        torch.randn(2, *shape[1:]),
        importance=torch_pruning.importance.GroupMagnitudeImportance(),
        ignored_layers=[last],
    )
    net.train()
    pruner.update_regularizer()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)

    def optimise() -> None:
        pruner.regularize(net)
        adam.step()

    return _step(net, shape, optimise)


def _step(net: nn.Module, shape: tuple[int, ...], optimise: Callable[[], object]) -> Callable[[], None]:
    inputs, targets = torch.randn(shape), torch.randint(10, shape[:1])

    def step() -> None:
        net.zero_grad(set_to_none=True)
        functional.cross_entropy(net(inputs), targets).backward()
        optimise()

    return step


CANDIDATES = {"plain Adam": plain_adam, "guided (ProximalAdam)": guided, "torch-pruning GroupNormPruner": group_norm_pruner}


def measure(case: str, blocks: int, seconds: float) -> dict[str, dict[str, float]]:
    """Median milliseconds per step of each candidate and its ratio to plain Adam, block by block in turn."""
    build, shape = CASES[case]
    torch.manual_seed(0)
    timers = {}
    for name, candidate in CANDIDATES.items():
        timers[name] = benchmark.Timer(
            "step()", globals={"step": candidate(build(), shape)}, num_threads=torch.get_num_threads()
        )
    times: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(blocks):
        for name, timer in timers.items():
            times[name].append(timer.blocked_autorange(min_run_time=seconds).median)
    baseline = times["plain Adam"]
    return {
        name: {
            "median_ms": 1000 * statistics.median(values),
            "ratio": statistics.median(value / base for value, base in zip(values, baseline, strict=True)),
            "ratio_low": min(value / base for value, base in zip(values, baseline, strict=True)),
            "ratio_high": max(value / base for value, base in zip(values, baseline, strict=True)),
        }
        for name, values in times.items()
    }


def main() -> None:
    """Measures all cases and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each block")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {case: measure(case, arguments.blocks, arguments.seconds) for case in CASES}
    for case, rows in results.items():
        print(f"\n{case}, {arguments.threads} thread(s), {arguments.blocks} blocks")
        for name, row in rows.items():
            spread = f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
            print(f"  {name:32s} {row['median_ms']:9.3f} ms   ratio {row['ratio']:.3f}  ({spread})")
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if arguments.out:
        arguments.out.write_text(json.dumps({"threads": arguments.threads, "cases": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
