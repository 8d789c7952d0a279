"""A convex MAP problem with an independent solution: linear regression whose rows and inputs are all correlated.

outputs = X W' A' with A fixed: unit u owns row u of W, and the loss couples both the weights of a row and the rows.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from bayes_guided import guidance, priors
from bayes_guided.architecture import Architecture
from bayes_guided.priors import GuidedPrior
from theory import proximal as theory

CASES, FEATURES, UNITS = 40, 6, 5

PRIORS: dict[str, priors.WeightPrior] = {
    "Normal": priors.Normal(strength=3.0),
    "Laplace": priors.Laplace(strength=8.0),
    "GroupLaplace": priors.GroupLaplace(strength=7.0),
    "SparseGroupLaplace": priors.SparseGroupLaplace(strength=8.0, mix=0.4),
    "GroupSqrtLaplace": priors.GroupSqrtLaplace(strength=1.5),
}


class Problem:
    """Data, network and prior; `scale` multiplies the loss and all rates."""

    def __init__(self, family: str, scale: float = 1.0) -> None:
        rng = np.random.default_rng(4)
        mixing = np.eye(FEATURES) + 0.6 * rng.standard_normal((FEATURES, FEATURES)) / FEATURES**0.5
        self.inputs = rng.standard_normal((CASES, FEATURES)) @ mixing
        self.output = np.eye(UNITS) + 0.4 * rng.standard_normal((UNITS, UNITS)) / UNITS**0.5
        sizes = np.array([1.5, 0.6, 0.08, 0.9, 0.04])
        self.truth = sizes[:, None] * rng.standard_normal((UNITS, FEATURES))
        self.targets = self.inputs @ self.truth.T @ self.output.T + 0.3 * rng.standard_normal((CASES, UNITS))
        self.tensors = torch.tensor(self.inputs), torch.tensor(self.targets)
        self.scale = scale
        self.family = family
        self.guidance = 2 * np.arange(1, UNITS + 1) / (UNITS + 1)
        self.strength = scale * PRIORS[family].strength

    def net(self, weights: np.ndarray | None = None) -> nn.Sequential:
        """The network at these weights, by default 0.1 everywhere; its output layer is frozen."""
        net = nn.Sequential(nn.Linear(FEATURES, UNITS, bias=False), nn.Linear(UNITS, UNITS, bias=False)).double()
        with torch.no_grad():
            net[0].weight.copy_(torch.tensor(np.full((UNITS, FEATURES), 0.1) if weights is None else weights))
            net[1].weight.copy_(torch.tensor(self.output))
        net[1].weight.requires_grad_(False)
        return net

    def prior(self, net: nn.Module) -> GuidedPrior:
        """Linear guidance."""
        kind = type(PRIORS[self.family])
        settings = {"mix": 0.4} if self.family == "SparseGroupLaplace" else {}
        architecture = Architecture.from_module(net, torch.zeros(2, FEATURES, dtype=torch.float64))
        return GuidedPrior(architecture, kind(strength=self.strength, **settings), guidance.linear())

    def loss(self, net: nn.Module, cases: slice | Tensor = slice(None)) -> Tensor:
        """The mean over cases of half the squared error."""
        inputs, targets = self.tensors
        return self.scale * 0.5 * (net(inputs[cases]) - targets[cases]).square().sum(dim=1).mean()

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Of the summed loss."""
        residual = self.inputs @ weights.T @ self.output.T - self.targets
        return self.scale * self.output.T @ residual.T @ self.inputs

    def prox(self, rows: np.ndarray, step: float) -> np.ndarray:
        """The Euclidean prox of step times the penalty, by `theory`."""
        pressed, length = step * self.strength * self.guidance, FEATURES
        match self.family:
            case "Normal":
                return theory.ridge_prox(rows, pressed[:, None])
            case "Laplace":
                return theory.soft_threshold(rows, pressed[:, None])
            case "GroupLaplace":
                return theory.group_prox(rows, pressed * length**0.5)
            case "SparseGroupLaplace":
                return theory.sparse_group_prox(rows, 0.4 * pressed, 0.6 * length**0.5 * pressed)
            case _:
                return theory.group_sqrt_prox(rows, pressed * length**0.75)

    def solution(self, start: np.ndarray | None = None, steps: int = 5000) -> np.ndarray:
        """The MAP by plain proximal gradient, to machine precision (of GroupSqrtLaplace: the minimum reached from `start`)."""
        curvature = self.scale * np.linalg.norm(self.output, 2) ** 2 * np.linalg.norm(self.inputs, 2) ** 2
        weights = np.full((UNITS, FEATURES), 0.1) if start is None else start
        for _ in range(steps):
            following = self.prox(weights - self.gradient(weights) / curvature, 1 / curvature)
            if np.abs(following - weights).max() < 1e-15:
                break
            weights = following
        return weights


def train(
    problem: Problem, net: nn.Module, optimizer: torch.optim.Optimizer, steps: int, after: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Full-batch training at a constant rate; the weights at the end."""
    for _ in range(steps):
        optimizer.zero_grad()
        problem.loss(net).backward()
        optimizer.step()
        after()
    return net.get_parameter("0.weight").detach().numpy().copy()
