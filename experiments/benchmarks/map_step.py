"""What a guided MAP step costs: the ratio to a plain Adam step of the same network, in one run.

    python -m experiments.benchmarks.map_step [--threads N] [--out FILE]

Each step is forward, backward, optimiser. The candidates take turns, block by block, so that a change of the machine's speed
meets all of them; medians over the blocks. torch-pruning's GroupNormPruner is printed beside (its `regularize` between
backward and Adam's step).
"""

import json
import resource
from collections.abc import Callable

import torch
import torch.nn.functional as functional
import torch_pruning
from torch import nn

import bayes_guided as bg
from experiments.benchmarks.turns import Rows, arguments_of, in_turns, print_rows

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


def measure(case: str, blocks: int, seconds: float) -> Rows:
    """Each candidate's step, in turn with plain Adam's."""
    build, shape = CASES[case]
    torch.manual_seed(0)
    steps = {name: candidate(build(), shape) for name, candidate in CANDIDATES.items()}
    return in_turns(steps, blocks, seconds, "plain Adam")


def main() -> None:
    """Measures all cases and prints a table."""
    arguments = arguments_of(__doc__)
    results = {case: measure(case, arguments.blocks, arguments.seconds) for case in CASES}
    for case, rows in results.items():
        print(f"\n{case}, {arguments.threads} thread(s), {arguments.blocks} blocks")
        print_rows(rows)
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if arguments.out:
        arguments.out.write_text(json.dumps({"threads": arguments.threads, "cases": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
