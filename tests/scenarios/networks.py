"""Shared ground truths: small networks with data, every family of weight priors, and what the theory says of each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bayes_guided import priors
from bayes_guided.architecture import Architecture
from bayes_guided.likelihoods import Categorical
from theory import densities, sparse_group


class Residual(nn.Module):
    """A block with an identity shortcut, BatchNorm everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm0 = nn.BatchNorm2d(4)
        self.conv1 = nn.Conv2d(4, 3, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm0(self.stem(x)))
        x = torch.relu(x + self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))
        return self.head(x.mean((2, 3)))


@dataclass(frozen=True)
class Scenario:
    """A classifier of three classes with 24 cases."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    likelihood = Categorical()
    cases = 24

    def net(self, dtype: torch.dtype = torch.float64, seed: int = 1) -> nn.Module:
        """A network with random weights and norms, in training mode."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = self.build().to(dtype)
            with torch.no_grad():
                for parameter in net.parameters():
                    if parameter.dim() == 1:
                        parameter.add_(0.3 * torch.randn_like(parameter))
            return net

    def data(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Inputs and labels."""
        generator = torch.Generator().manual_seed(2)
        inputs = torch.randn(self.cases, *self.shape, generator=generator, dtype=torch.float64).to(dtype)
        return inputs, torch.randint(3, (self.cases,), generator=generator)

    def architecture(self, net: nn.Module) -> Architecture:
        """The units of the network."""
        return Architecture.from_module(net, self.data(next(net.parameters()).dtype)[0][:2])


MLP = Scenario("mlp", lambda: nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)), (5,))
CONV = Scenario(
    "conv",
    lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)
    ),
    (1, 6, 6),
)
RESIDUAL = Scenario("residual", Residual, (1, 4, 4))
SCENARIOS = (MLP, CONV, RESIDUAL)

WITH_MAP: dict[str, priors.WeightPrior] = {
    "Normal": priors.Normal(strength=0.7),
    "Laplace": priors.Laplace(strength=0.4),
    "GroupLaplace": priors.GroupLaplace(strength=0.5),
    "SparseGroupLaplace": priors.SparseGroupLaplace(strength=0.6, mix=0.3),
    "GroupSqrtLaplace": priors.GroupSqrtLaplace(strength=0.3),
}
ALL_FAMILIES: dict[str, priors.WeightPrior] = {**WITH_MAP, "GroupHorseshoe": priors.GroupHorseshoe(strength=0.8)}


def penalty_by_hand(weights: priors.WeightPrior, guidance: Tensor, rows: Tensor) -> Tensor:
    """lambda g_u Omega(row_u) of every unit, written out from the regularisers' definitions."""
    length = rows.shape[1]
    absolute, squared = rows.abs().sum(dim=1), (rows**2).sum(dim=1)
    pressed = weights.strength * guidance
    match weights:
        case priors.Normal():
            return pressed * squared
        case priors.Laplace():
            return pressed * absolute
        case priors.GroupLaplace():
            return pressed * length**0.5 * squared.sqrt()
        case priors.SparseGroupLaplace(mix=mix):
            return pressed * (mix * absolute + (1 - mix) * length**0.5 * squared.sqrt())
        case priors.GroupSqrtLaplace():
            return pressed * length**0.75 * squared**0.25
    raise AssertionError(weights)


def log_normalizer(weights: priors.WeightPrior, guidance: Tensor, length: int) -> np.ndarray:
    """log Z_u of every unit by P2 and P3, from `theory`, which shares no code with the package."""
    pressed = weights.strength * guidance.double().numpy()
    match weights:
        case priors.Normal():
            return densities.gaussian_log_normalizer(pressed, length)
        case priors.Laplace():
            return densities.laplace_log_normalizer(pressed, length)
        case priors.GroupLaplace():
            return densities.group_laplace_log_normalizer(pressed * length**0.5, length)
        case priors.SparseGroupLaplace(mix=mix):
            return sparse_group.log_normalizer(mix * pressed, (1 - mix) * length**0.5 * pressed, length)
        case priors.GroupSqrtLaplace():
            return densities.group_sqrt_log_normalizer(pressed * length**0.75, length)
    raise AssertionError(weights)
