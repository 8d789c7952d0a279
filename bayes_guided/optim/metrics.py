"""Adam's metric, per row or per weight, and the proximal operator in it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.priors.rows.proximal import ProxPlan, soft_threshold

from .blocks import PenalisedBlock, State

Blocks = list[Float[Tensor, "..."]]


@dataclass(frozen=True, eq=False)
class LiveRows:
    """The blocks of a group's rows that have gradients, and what the prior asks of them.

    `protected` marks the units without guidance (None: there are none). The second moment of the rows is kept under `key`
    in `moments`. Of stacked parameters, all values have the members as their first axis; guidance is the same for all.
    """

    blocks: list[PenalisedBlock]
    plan: ProxPlan
    protected: Bool[Tensor, "units"] | None
    moments: dict[str, Any]
    key: str

    @property
    def weights_per_unit(self) -> int:
        """Weights of a row that have gradients."""
        return sum(item.block.weights_per_unit for item in self.blocks)

    def spare(self, alive: Bool[Tensor, "*members units"]) -> Bool[Tensor, "*members units"]:
        """The units that are alive or protected."""
        return alive if self.protected is None else alive | self.protected


class Metric(ABC):
    """Which weights share a second moment, and so the metric of the proximal operator."""

    @abstractmethod
    def step(
        self, rows: LiveRows, gradients: Blocks, state: State, settings: dict[str, Any], prox_scale: float
    ) -> Bool[Tensor, "*members units"] | None:
        """Moves the blocks by Adam's direction and applies the proximal operator; returns which units are left.

        With `prox_scale` 0 there is no proximal step, and None is returned.
        """


class RowMetric(Metric):
    """One second moment per row: closed proximal operators (P22), and half of Adam's state."""

    def step(
        self, rows: LiveRows, gradients: Blocks, state: State, settings: dict[str, Any], prox_scale: float
    ) -> Bool[Tensor, "*members units"] | None:
        """Adam's direction over the row's root mean square gradient, then the closed proximal operator."""
        step, (beta1, beta2) = settings["step"], settings["betas"]
        denominator = self._second_moment(rows, gradients, beta2)
        denominator = denominator.sqrt().mul_((1 - beta2**step) ** -0.5).add_(settings["eps"])
        size = settings["lr"] / denominator
        weights = []
        for item, gradient in zip(rows.blocks, gradients, strict=True):
            block, momentum = item.block, state[item.parameter]["exp_avg"]
            first = block.read(momentum).lerp_(gradient, 1 - beta1)
            block.write(momentum, first)
            moved = block.read(item.parameter).addcmul_(first, block.column(size), value=-1 / (1 - beta1**step))
            weights.append(_feasible(item, moved))
        alive = self._prox(rows, weights, size * prox_scale) if prox_scale else None
        for item, values in zip(rows.blocks, weights, strict=True):
            item.block.write(item.parameter, values)
        return alive

    @staticmethod
    def _second_moment(rows: LiveRows, gradients: Blocks, beta2: float) -> Float[Tensor, "*members units"]:
        squares = _squared_norms(rows.blocks, gradients)
        if rows.key not in rows.moments:
            rows.moments[rows.key] = torch.zeros_like(squares)
        moments = rows.moments[rows.key].mul_(beta2).add_(squares, alpha=(1 - beta2) / rows.weights_per_unit)
        # An operator that couples the rows is exact in a metric that they share: that of the largest gradient, the safest.
        return moments.amax(dim=-1, keepdim=True).expand_as(moments) if rows.plan.couples_units else moments

    @staticmethod
    def _prox(rows: LiveRows, weights: Blocks, step: Float[Tensor, "*members units"]) -> Bool[Tensor, "*members units"]:
        """Applies the proximal operator in place; returns which units are left."""
        guided = [item for item in rows.blocks if item.guided]
        inside = [values for item, values in zip(rows.blocks, weights, strict=True) if item.guided]
        if rows.plan.soft is not None:
            for values in inside:
                values.copy_(soft_threshold(values, step * rows.plan.soft))
        norms = _squared_norms(guided, inside).sqrt_()
        alive = norms > 0
        if rows.plan.radial is not None:
            operator, rates = rows.plan.radial
            factor = operator.factor(norms, step * rates)
            alive = alive & (factor > 0)
            for item, values in zip(guided, inside, strict=True):
                values.mul_(item.block.column(factor))
        alive = rows.spare(alive)
        # A unit whose penalised part is zero computes nothing: the ridge's MAP of its other weights is zero as well.
        for item, values in zip(rows.blocks, weights, strict=True):
            if not item.guided:
                values.mul_(item.block.column(alive.to(values.dtype)))
        return alive


class WeightMetric(Metric):
    """One second moment per weight, as in Adam: the proximal operator takes Newton steps (P23)."""

    def step(
        self, rows: LiveRows, gradients: Blocks, state: State, settings: dict[str, Any], prox_scale: float
    ) -> Bool[Tensor, "*members units"] | None:
        """Adam's direction, then the proximal operator in Adam's metric over the whole rows."""
        step, (beta1, beta2) = settings["step"], settings["betas"]
        metrics, weights = [], []
        for item, gradient in zip(rows.blocks, gradients, strict=True):
            block, moments = item.block, state[item.parameter]
            if "exp_avg_sq" not in moments:
                moments["exp_avg_sq"] = torch.zeros_like(item.parameter)
            first = block.read(moments["exp_avg"]).lerp_(gradient, 1 - beta1)
            second = block.read(moments["exp_avg_sq"]).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            block.write(moments["exp_avg"], first)
            block.write(moments["exp_avg_sq"], second)
            metric = second.sqrt().mul_((1 - beta2**step) ** -0.5).add_(settings["eps"]).div_(settings["lr"])
            moved = torch.addcdiv(block.read(item.parameter), first, metric, value=-1 / (1 - beta1**step))
            metrics.append(block.flat(metric))
            weights.append(block.flat(_feasible(item, moved)))
        alive = self._prox(rows, weights, metrics, prox_scale) if prox_scale else None
        for item, values in zip(rows.blocks, weights, strict=True):
            item.block.write_matrix(item.parameter, values)
        return alive

    @staticmethod
    def _prox(rows: LiveRows, weights: Blocks, metrics: Blocks, prox_scale: float) -> Bool[Tensor, "*members units"]:
        """Applies the proximal operator to the list of weights; returns which units are left."""
        guided = [place for place, item in enumerate(rows.blocks) if item.guided]
        metric = torch.cat([metrics[place] for place in guided], dim=-1) / prox_scale
        result = rows.plan.apply_weighted(torch.cat([weights[place] for place in guided], dim=-1), metric)
        for place, part in zip(guided, result.split([weights[place].shape[-1] for place in guided], dim=-1), strict=True):
            weights[place] = part
        alive = rows.spare((result != 0).any(dim=-1))
        for place, item in enumerate(rows.blocks):
            if not item.guided:
                weights[place] = weights[place] * alive.to(result.dtype)[..., None]
        return alive


def _feasible(item: PenalisedBlock, moved: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The prox with the constraint of gates that are 0 or more is the prox of the projection: the penalties are even."""
    return moved.clamp_(min=0.0) if item.non_negative else moved


def _squared_norms(blocks: list[PenalisedBlock], values: Blocks) -> Float[Tensor, "*members units"]:
    """Sum of squares of each unit's weights over several blocks."""
    squares = blocks[0].block.squared_norms(values[0])
    for item, block_values in zip(blocks[1:], values[1:], strict=True):
        squares.add_(item.block.squared_norms(block_values))
    return squares
