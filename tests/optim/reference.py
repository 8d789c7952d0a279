"""The optimiser's step written out row by row, with the proximal operators of `theory`."""

from collections import defaultdict

import numpy as np
import torch
from torch import nn

from bayes_guided import priors
from bayes_guided.architecture import Role
from bayes_guided.priors import GuidedPrior
from theory import proximal, weighted_prox


class Reference:
    """Rows and rest as NumPy arrays, moved by the gradients of the network that the optimiser trains."""

    def __init__(self, net: nn.Module, prior: GuidedPrior, *, dataset_size: int, lr: float, warmup: int, metric: str) -> None:
        self.prior, self.dataset_size, self.lr, self.warmup, self.metric = prior, dataset_size, lr, warmup, metric
        architecture = prior.architecture
        self.rows = {name: rows.detach().numpy().copy() for name, rows in architecture.rows(net).items()}
        self.rest = architecture.rest_vector(net).detach().numpy().copy()
        self.moments = defaultdict(float)
        self.steps = 0

    def step(self, gradients: dict[str, torch.Tensor]) -> None:
        """One step with the gradients of the network's parameters."""
        self.steps += 1
        architecture = self.prior.architecture
        for group in architecture.groups:
            gradient = architecture.rows(gradients)[group.name].numpy()
            self.rows[group.name] = self._rows(group, self.rows[group.name], gradient)
        ridge = 2 * self.prior.rest.strength / self.dataset_size
        gradient = architecture.rest_vector(gradients).numpy() + ridge * self.rest
        first, second = self._moments("rest", gradient, gradient**2)
        self.rest = self.rest - self.lr * first / (np.sqrt(second) + 1e-8)

    def _moments(self, name: str, gradient: np.ndarray, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adam's two moments without their bias."""
        self.moments[name, 1] = 0.9 * self.moments[name, 1] + 0.1 * gradient
        self.moments[name, 2] = 0.999 * self.moments[name, 2] + 0.001 * square
        return self.moments[name, 1] / (1 - 0.9**self.steps), self.moments[name, 2] / (1 - 0.999**self.steps)

    def _rows(self, group, rows: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        norm_only = self.prior.penalised == "norm" and group.norm_silences
        inside = np.concatenate(
            [np.full(b.size, not norm_only or b.role in (Role.NORM_SCALE, Role.NORM_SHIFT)) for b in group.blocks]
        )
        guidance = self.prior.coefficients[group.name].numpy()
        ridged = ~inside[None, :] | (guidance == 0)[:, None]
        gradient = gradient + np.where(ridged, 2 * self.prior.rest.strength / self.dataset_size * rows, 0.0)
        square = gradient**2
        if self.metric == "row":
            square = np.broadcast_to(square.mean(axis=1, keepdims=True), square.shape)
        first, second = self._moments(group.name, gradient, square)
        metric = (np.sqrt(second) + 1e-8) / self.lr
        moved = rows - first / metric
        if self.steps <= self.warmup:
            return moved
        for unit in np.flatnonzero(guidance):
            pressed = self.prior.weights.strength * guidance[unit] / self.dataset_size
            moved[unit, inside] = self._prox(moved[unit, inside], metric[unit, inside], pressed)
            if not moved[unit, inside].any():
                moved[unit] = 0
        return moved

    def _prox(self, row: np.ndarray, metric: np.ndarray, pressed: float) -> np.ndarray:
        length = len(row)
        match self.prior.weights:
            case priors.Normal():
                return proximal.ridge_prox(row, pressed, metric)
            case priors.Laplace():
                return proximal.soft_threshold(row, pressed, metric)
            case priors.GroupLaplace():
                return weighted_prox.weighted_group_prox(row, pressed * length**0.5, metric)
            case priors.SparseGroupLaplace(mix=mix):
                group = (1 - mix) * length**0.5 * pressed
                return weighted_prox.weighted_sparse_group_prox(row, mix * pressed, group, metric)
            case _:
                if self.metric == "row":
                    return proximal.group_sqrt_prox(row[None], pressed * length**0.75 / metric[0])[0]
                return weighted_prox.weighted_group_sqrt_prox(row, pressed * length**0.75, metric)
