"""One step of the rows of a group: Adam's direction, then the proximal operator in the same metric."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import nn

from bayes_guided.architecture import Role, UnitGroup
from bayes_guided.priors.rows.row_prior import RowPrior

from .blocks import ParameterBlock, PenalisedBlock, State
from .metrics import LiveRows, Metric

_FORGET_EVERY = 64
"""Steps between clearing the momentum of zero rows, which would otherwise decay into slow denormal numbers."""


class RowUpdate:
    """The rows of one group inside the network's parameters, or inside those of stacked members, and how they step."""

    def __init__(
        self,
        group: UnitGroup,
        prior: RowPrior,
        parameters: Mapping[str, nn.Parameter],
        metric: Metric,
        *,
        stacked: bool = False,
    ) -> None:
        """Frozen parameters are left out of the rows: they neither move nor vanish.

        Raises:
            NoMAPError: if the weight prior is unbounded (GroupHorseshoe).
        """
        sizes = [block.size for block in group.blocks]
        self._blocks = [
            PenalisedBlock(
                ParameterBlock(parameters[block.parameter], block.axis, block.index, stacked=stacked),
                guided=bool(columns.all()),
                non_negative=block.role is Role.GATE,
            )
            for block, columns in zip(group.blocks, prior.columns.split(sizes), strict=True)
            if parameters[block.parameter].requires_grad
        ]
        self._metric = metric
        like = parameters[group.blocks[0].parameter]
        # The rate 0 of protected units leaves them alone.
        self._plan = prior.weights.prox_plan(prior.rates.to(like), prior.dim)
        self.couples_units = self._plan.couples_units
        self._protected = prior.protected.to(like.device) if bool(prior.protected.any()) else None
        # The moment of the rows is kept with their first parameter, so that state_dict carries it.
        self._key = f"row_exp_avg_sq.{group.name}"

    def step(self, state: State, settings: dict[str, Any], *, prox_scale: float, ridge: float) -> None:
        """One step; `prox_scale` multiplies the rates (0: no proximal step), `ridge` is the base prior's rate over N."""
        live = [item for item in self._blocks if item.parameter.grad is not None]
        if not live:
            return
        for item in live:
            if "exp_avg" not in state[item.parameter]:
                state[item.parameter]["exp_avg"] = torch.zeros_like(item.parameter)
        if not any(item.guided for item in live):
            prox_scale = 0.0
        gradients = [self._gradient(item, ridge) for item in live]
        rows = LiveRows(live, self._plan, self._protected, state[self._blocks[0].parameter], self._key)
        alive = self._metric.step(rows, gradients, state, settings, prox_scale)
        if alive is not None and settings["step"] % _FORGET_EVERY == 0:
            _forget(live, state, alive)

    def _gradient(self, item: PenalisedBlock, ridge: float) -> Float[torch.Tensor, "..."]:
        """The block's gradient, with the ridge's wherever guidance does not press."""
        block, weights = item.block, item.block.read(item.parameter)
        gradient = block.gradient()
        if not item.guided:
            return torch.add(gradient, weights, alpha=2 * ridge)
        if self._protected is not None:
            return torch.addcmul(gradient, weights, block.column(self._protected.to(weights.dtype)), value=2 * ridge)
        return gradient


def _forget(live: list[PenalisedBlock], state: State, alive: Bool[torch.Tensor, "*members units"]) -> None:
    for item in live:
        momentum = state[item.parameter]["exp_avg"]
        block = item.block.read(momentum)
        item.block.write(momentum, block.mul_(item.block.column(alive.to(block.dtype))))
