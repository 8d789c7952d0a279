"""Small data sets with known structure, and networks for them, for the tests of fits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from bayes_guided import guidance, likelihoods, nets, priors
from bayes_guided.architecture import Architecture
from bayes_guided.priors import GuidedPrior

CASES = 90


@dataclass(frozen=True)
class Problem:
    """Data whose targets depend on the first inputs only, so that few units are enough."""

    name: str
    likelihood: Callable[[], likelihoods.Likelihood]
    outputs: int
    targets: Callable[[Tensor, torch.Generator], Tensor]
    strength: float = 2.0

    def data(self, cases: int = CASES, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Inputs of shape (cases, 5) and targets."""
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(cases, 5, generator=generator)
        return inputs, self.targets(inputs, generator)

    def net(self, seed: int = 0) -> nn.Module:
        """A 5-12-8 ReLU network."""
        return built(lambda: nets.mlp(5, (12, 8), outputs=self.outputs), seed)

    def prior(self, net: nn.Module, **settings: Any) -> GuidedPrior:
        """A linearly guided group lasso."""
        return guided(net, self.data()[0][:2], self.strength, **settings)


def guided(net: nn.Module, example: Tensor, strength: float, **settings: Any) -> GuidedPrior:
    """A linearly guided group lasso."""
    weights = settings.pop("weights", priors.GroupLaplace(strength=strength))
    return GuidedPrior(Architecture.from_module(net, example), weights=weights, guidance=guidance.linear(), **settings)


def built(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network whose weights depend on the seed alone; torch's generator stays."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


CLASSES = Problem("classes", likelihoods.Categorical, 3, lambda x, _: x[:, :3].argmax(dim=1))
BINARY = Problem("binary", likelihoods.Bernoulli, 1, lambda x, _: (x[:, 0] + x[:, 1] > 0).float())
COUNTS = Problem("counts", likelihoods.Poisson, 1, lambda x, g: torch.poisson((0.8 * x[:, 0]).exp(), generator=g))
KNOWN_NOISE = Problem("known noise", lambda: likelihoods.Normal(0.3), 1, lambda x, _: x[:, 0].sin() + 0.5 * x[:, 1], 20.0)
LEARNED_NOISE = Problem("learned noise", likelihoods.Normal, 1, lambda x, _: x[:, 0].sin() + 0.5 * x[:, 1])
PROBLEMS = (CLASSES, BINARY, COUNTS, KNOWN_NOISE, LEARNED_NOISE)

BUDGET: dict[str, Any] = {"epochs": 15, "batch_size": 16, "lr": 2e-2, "warmup_steps": 10, "seed": 3}
"""A fit of 90 steps that leaves some units exactly zero and some not."""


class ConvNet(nn.Module):
    """Convolutions with batch norm, then dropout: a network with buffers and randomness."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(5)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.conv1(x)).relu()
        x = self.norm2(self.conv2(x)).relu()
        return self.head(self.dropout(x.mean((2, 3))))


def image_data(cases: int = 61, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise images of shape (cases, 1, 6, 6) whose class says which rows are bright."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (cases,), generator=generator)
    images = torch.randn(cases, 1, 6, 6, generator=generator)
    for label in range(3):
        images[labels == label, :, 2 * label : 2 * label + 2] += 1.0
    return images, labels


class Jittered(Dataset[tuple[Tensor, Tensor]]):
    """Cases with fresh noise at every visit, from torch's generator: random augmentation."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        case = self.inputs[index]
        return case + 0.1 * torch.randn(case.shape), self.targets[index]


def state(net: nn.Module) -> dict[str, Tensor]:
    """A copy of everything in the network."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def same_bits(left: nn.Module, right: nn.Module) -> bool:
    """Whether two networks hold equal weights and buffers under equal names."""
    one, other = state(left), state(right)
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
