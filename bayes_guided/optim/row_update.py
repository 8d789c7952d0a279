"""One step of the rows of a group: Adam's direction, then the proximal operator in the same metric."""

from abc import ABC, abstractmethod
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bayes_guided.architecture import UnitGroup
from bayes_guided.optim.blocks import ParameterBlock
from bayes_guided.priors.proximal import ProxPlan, soft_threshold
from bayes_guided.priors.row_prior import RowPrior

_FORGET_EVERY = 64
"""Steps between clearing the momentum of zero rows, which would otherwise decay into slow denormal numbers."""

State = MutableMapping[nn.Parameter, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class PenalisedBlock:
    """A block of the rows, and whether the guidance presses on it (else the ridge does)."""

    block: ParameterBlock
    guided: bool


class RowUpdate:
    """The rows of one group inside the network's parameters, and how they step."""

    def __init__(self, group: UnitGroup, prior: RowPrior, parameters: dict[str, nn.Parameter], metric: "Metric") -> None:
        """Frozen parameters are left out of the rows: they neither move nor vanish."""
        sizes = [block.size for block in group.blocks]
        self.blocks = [
            PenalisedBlock(ParameterBlock(parameters[block.parameter], block.axis, block.index), bool(columns.all()))
            for block, columns in zip(group.blocks, prior.columns.split(sizes), strict=True)
            if parameters[block.parameter].requires_grad
        ]
        self.name = group.name
        self.metric = metric
        if not self.blocks:
            return
        like = self.blocks[0].block.parameter
        self.plan = _plan_like(prior, like)
        protected = prior.protected.to(like.device)
        self.protected = protected.to(like.dtype) if bool(protected.any()) else None

    def step(self, state: State, settings: dict[str, Any], *, prox_scale: float, ridge: float) -> None:
        """One step; `prox_scale` multiplies the rates (0: no proximal step), `ridge` is the base prior's rate over N."""
        live = [item for item in self.blocks if item.block.parameter.grad is not None]
        if not live:
            return
        gradients = [self._gradient(item, ridge) for item in live]
        for item in live:
            moments = state[item.block.parameter]
            if "exp_avg" not in moments:
                moments["exp_avg"] = torch.zeros_like(item.block.parameter)
        self.metric.step(self, live, gradients, state, settings, prox_scale)

    def _gradient(self, item: PenalisedBlock, ridge: float) -> Float[Tensor, "units ..."]:
        """The block's gradient, with the ridge's wherever guidance does not press."""
        block = item.block
        gradient = block.read(block.parameter.grad)
        if not item.guided:
            return torch.add(gradient, block.read(block.parameter), alpha=2 * ridge)
        if self.protected is not None:
            return torch.addcmul(gradient, block.read(block.parameter), block.column(self.protected), value=2 * ridge)
        return gradient


class Metric(ABC):
    """Which weights share a second moment, and so the metric of the proximal operator."""

    @abstractmethod
    def step(
        self,
        rows: RowUpdate,
        live: list[PenalisedBlock],
        gradients: list[Float[Tensor, "units ..."]],
        state: State,
        settings: dict[str, Any],
        prox_scale: float,
    ) -> None:
        """Moves the blocks by Adam's direction and applies the proximal operator."""


class RowMetric(Metric):
    """One second moment per row: closed proximal operators, and half of Adam's state."""

    def step(
        self,
        rows: RowUpdate,
        live: list[PenalisedBlock],
        gradients: list[Float[Tensor, "units ..."]],
        state: State,
        settings: dict[str, Any],
        prox_scale: float,
    ) -> None:
        """Adam's direction over the row's root mean square gradient, then the closed proximal operator (P22)."""
        step, (beta1, beta2) = settings["step"], settings["betas"]
        denominator = self._second_moment(rows, live, gradients, state, beta2)
        denominator = denominator.sqrt().mul_((1 - beta2**step) ** -0.5).add_(settings["eps"])
        size = settings["lr"] / denominator
        weights = []
        for item, gradient in zip(live, gradients, strict=True):
            block, parameter = item.block, item.block.parameter
            first = block.read(state[parameter]["exp_avg"])
            first.lerp_(gradient, 1 - beta1)
            block.write(state[parameter]["exp_avg"], first)
            weights.append(block.read(parameter).addcmul_(first, block.column(size), value=-1 / (1 - beta1**step)))
        if prox_scale:
            alive = self._prox(rows, live, weights, size * prox_scale)
            if step % _FORGET_EVERY == 0:
                _forget(live, state, alive)
        for item, values in zip(live, weights, strict=True):
            item.block.write(item.block.parameter, values)

    def _second_moment(
        self,
        rows: RowUpdate,
        live: list[PenalisedBlock],
        gradients: list[Float[Tensor, "units ..."]],
        state: State,
        beta2: float,
    ) -> Float[Tensor, "units"]:
        squares = live[0].block.squared_norms(gradients[0])
        for item, gradient in zip(live[1:], gradients[1:], strict=True):
            squares = squares.add_(item.block.squared_norms(gradient))
        row_dim = sum(item.block.weights_per_unit for item in live)
        # Kept with the row's first parameter, so that state_dict carries it.
        moments = state[rows.blocks[0].block.parameter]
        key = f"row_exp_avg_sq.{rows.name}"
        if key not in moments:
            moments[key] = torch.zeros_like(squares)
        return moments[key].mul_(beta2).add_(squares, alpha=(1 - beta2) / row_dim)

    @staticmethod
    def _prox(
        rows: RowUpdate, live: list[PenalisedBlock], weights: list[Float[Tensor, "units ..."]], step: Float[Tensor, "units"]
    ) -> Bool[Tensor, "units"]:
        """Applies the proximal operator in place; returns which units are left."""
        plan = rows.plan
        guided = [(item, values) for item, values in zip(live, weights, strict=True) if item.guided]
        if plan.soft is not None:
            for _, values in guided:
                values.copy_(soft_threshold(values, step * plan.soft))
        squares = torch.stack([item.block.squared_norms(values) for item, values in guided]).sum(dim=0)
        alive = squares > 0
        if plan.radial is not None:
            operator, rates = plan.radial
            factor = operator.factor(squares.sqrt(), step * rates)
            alive = alive & (factor > 0)
            for item, values in guided:
                values.mul_(item.block.column(factor))
        if rows.protected is not None:
            alive = alive | (rows.protected > 0)
        # A unit whose penalised part is zero computes nothing: the ridge's MAP of its other weights is zero as well.
        for item, values in zip(live, weights, strict=True):
            if not item.guided:
                values.mul_(item.block.column(alive.to(values.dtype)))
        return alive


class WeightMetric(Metric):
    """One second moment per weight, as in Adam: the proximal operator takes Newton steps (P23)."""

    def step(
        self,
        rows: RowUpdate,
        live: list[PenalisedBlock],
        gradients: list[Float[Tensor, "units ..."]],
        state: State,
        settings: dict[str, Any],
        prox_scale: float,
    ) -> None:
        """Adam's direction, then the proximal operator in Adam's metric over the whole rows."""
        step, (beta1, beta2) = settings["step"], settings["betas"]
        metrics, values = [], []
        for item, gradient in zip(live, gradients, strict=True):
            block, parameter = item.block, item.block.parameter
            moments = state[parameter]
            if "exp_avg_sq" not in moments:
                moments["exp_avg_sq"] = torch.zeros_like(parameter)
            first, second = block.read(moments["exp_avg"]), block.read(moments["exp_avg_sq"])
            first.lerp_(gradient, 1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            block.write(moments["exp_avg"], first)
            block.write(moments["exp_avg_sq"], second)
            denominator = second.sqrt().mul_((1 - beta2**step) ** -0.5).add_(settings["eps"]).div_(settings["lr"])
            moved = block.read(parameter) - first / denominator / (1 - beta1**step)
            metrics.append(denominator.reshape(block.units, -1))
            values.append(moved.reshape(block.units, -1))
        if prox_scale:
            self._prox(rows.plan, live, values, metrics, prox_scale)
        for item, block_values in zip(live, values, strict=True):
            item.block.write_matrix(item.block.parameter, block_values)

    @staticmethod
    def _prox(
        plan: ProxPlan,
        live: list[PenalisedBlock],
        values: list[Float[Tensor, "units ..."]],
        metrics: list[Float[Tensor, "units ..."]],
        prox_scale: float,
    ) -> None:
        guided = [place for place, item in enumerate(live) if item.guided]
        sizes = [values[place].shape[1] for place in guided]
        metric = torch.cat([metrics[place] for place in guided], dim=1) / prox_scale
        result = plan.apply_weighted(torch.cat([values[place] for place in guided], dim=1), metric)
        for place, part in zip(guided, result.split(sizes, dim=1), strict=True):
            values[place] = part
        alive = (result != 0).any(dim=1).to(result.dtype)[:, None]
        for place, item in enumerate(live):
            if not item.guided:
                values[place] = values[place] * alive


def _plan_like(prior: RowPrior, like: Tensor) -> ProxPlan:
    """The group's proximal operator; rate 0 leaves protected units alone."""
    return prior.weights.prox_plan(prior.rates.to(like), prior.dim)


def _forget(live: list[PenalisedBlock], state: State, alive: Bool[Tensor, "units"]) -> None:
    for item in live:
        momentum = state[item.block.parameter]["exp_avg"]
        block = item.block.read(momentum)
        item.block.write(momentum, block.mul_(item.block.column(alive.to(block.dtype))))
