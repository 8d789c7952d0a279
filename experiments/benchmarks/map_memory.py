"""Peak memory of a guided MAP fit, as a ratio to plain Adam's.

    python -m experiments.benchmarks.map_memory [--repeats N] [--out FILE]

Every fit runs in its own fresh process, whose largest resident memory is read by getrusage. What the process holds after
imports, a tiny fit and data is taken off; the network, its architecture and prior, gradients, optimiser state, activations
and all else count. Medians over the repeats; the candidates take turns. The first two differ in the optimiser alone.
`bg.fit_map` trains a copy of the user's network, so that it holds the weights twice, and measures penalty and widths at the
end of each epoch.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import bayes_guided as bg
from experiments.benchmarks.large_nets import ResNet50

STEPS, EPOCHS = 6, 2
"""Steps of an epoch and epochs: past the warm-up, and the record at an epoch's end counts too."""
WARMUP = 3


@dataclass(frozen=True)
class Case:
    """A network of ten classes and the shape of a batch."""

    build: Callable[[], nn.Module]
    batch: tuple[int, ...]

    def data(self) -> tuple[Tensor, Tensor]:
        """Random inputs and labels for one epoch."""
        size = STEPS * self.batch[0]
        return torch.randn(size, *self.batch[1:]), torch.randint(10, (size,))


def _tiny_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))


TINY = Case(_tiny_net, (2, 1, 8, 8))
"""What each process fits first, so that libraries which torch loads at their first use count as imports."""
CASES = {
    "lenet300, batch 128": Case(lambda: bg.nets.lenet300(), (128, 784)),
    "mlp 784-4096-4096-10, batch 128": Case(lambda: bg.nets.mlp(784, (4096, 4096), outputs=10), (128, 784)),
    "resnet20, batch 64": Case(lambda: bg.nets.resnet20(in_channels=1), (64, 1, 28, 28)),
    "resnet50's size, batch 8": Case(lambda: ResNet50(classes=10), (8, 3, 96, 96)),
}


def plain_adam(case: Case, data: tuple[Tensor, Tensor]) -> None:
    """torch.optim.Adam with torch's defaults in a plain torch loop."""
    net = case.build()
    _train(net, torch.optim.Adam(net.parameters(), lr=1e-3), case, data)


def guided(case: Case, data: tuple[Tensor, Tensor]) -> None:
    """ProximalAdam under a guided group lasso, in the same loop."""
    net = case.build()
    prior = _prior(net, case)
    _train(net, bg.optim.ProximalAdam(net, prior, dataset_size=len(data[0]), lr=1e-3, warmup_steps=WARMUP), case, data)


def fit_map(case: Case, data: tuple[Tensor, Tensor]) -> None:
    """The same prior by `bg.fit_map`, which leaves the user's network as it was."""
    net = case.build()
    bg.fit_map(
        net, _prior(net, case), data, epochs=EPOCHS, batch_size=case.batch[0], warmup_steps=WARMUP, allow_empty=True, seed=0
    )


def _train(net: nn.Module, optimizer: torch.optim.Optimizer, case: Case, data: tuple[Tensor, Tensor]) -> None:
    for _ in range(EPOCHS):
        for inputs, targets in zip(*(part.split(case.batch[0]) for part in data), strict=True):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(net(inputs), targets).backward()
            optimizer.step()


def _prior(net: nn.Module, case: Case) -> bg.GuidedPrior:
    architecture = bg.Architecture.from_module(net, torch.randn(2, *case.batch[1:]))
    return bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=1.0), guidance=bg.guidance.linear())


Candidate = Callable[[Case, tuple[Tensor, Tensor]], None]
CANDIDATES: dict[str, Candidate] = {"plain Adam": plain_adam, "guided (same loop)": guided, "guided (bg.fit_map)": fit_map}


@dataclass(frozen=True)
class Memory:
    """Medians over the repeats, MiB above the memory after imports, a tiny fit and data; ratio to plain Adam."""

    peak_mib: float
    low_mib: float
    high_mib: float
    ratio: float


def measure(case: str, repeats: int, candidates: Mapping[str, Candidate]) -> dict[str, Memory]:
    """Peak memory of each candidate; "plain Adam" is the first."""
    peaks: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, values in peaks.items():
            values.append(_in_fresh_process(case, name, candidates[name]))
    baseline = statistics.median(peaks["plain Adam"])
    return {
        name: Memory(median := statistics.median(values), min(values), max(values), median / baseline)
        for name, values in peaks.items()
    }


def _in_fresh_process(case: str, name: str, candidate: Candidate) -> float:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, case, candidate))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise SystemExit(f"{name} on {case} ended without a result; its error is above.") from None
    finally:
        process.join()


def _report(sender: Connection, case: str, candidate: Candidate) -> None:
    """Runs in the fresh process: sends what the fit added to the largest resident memory, MiB."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    candidate(TINY, TINY.data())
    data = CASES[case].data()
    before = _peak_mib()
    candidate(CASES[case], data)
    sender.send(_peak_mib() - before)


def _peak_mib() -> float:
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def report(description: str | None, candidates: Mapping[str, Candidate]) -> None:
    """The command of a benchmark of memory: measures all cases, prints a table and writes it where it is told to."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results = {}
    for case in CASES:
        results[case] = measure(case, arguments.repeats, candidates)
        print(f"\n{case}, {arguments.repeats} repeats: peak above imports and data")
        for name, row in results[case].items():
            spread = f"{row.low_mib:.1f} to {row.high_mib:.1f}"
            print(f"  {name:32s} {row.peak_mib:9.1f} MiB   ratio {row.ratio:.3f}  ({spread} MiB)", flush=True)
    if arguments.out:
        cases = {case: {name: asdict(row) for name, row in rows.items()} for case, rows in results.items()}
        arguments.out.write_text(json.dumps({"repeats": arguments.repeats, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    report(__doc__, CANDIDATES)
