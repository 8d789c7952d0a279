"""One network at many weights: what each draw of a posterior predicts, within a cap on memory."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.prediction.tracked_memory import TrackedMemory
from bayes_guided.likelihoods import Likelihood, Normal

Parts = dict[str, Tensor]
"""What draws predict: "mean"; with targets also "log_density", and for numbers "below" and "up_to"."""

_WORTH_A_CALL = 10_000_000
"""Multiply-accumulates of a draw from which the CPU is as fast by a call per draw: measured on LeNets; vmapped convolutions of
a ResNet-20 took four times as long."""


@dataclass(frozen=True, eq=False)
class DrawNetwork:
    """The network, in evaluation mode, with weights, buffers and noise of draws in the place of its own."""

    net: nn.Module
    architecture: Architecture
    likelihood: Likelihood
    draws: Draws

    def __post_init__(self) -> None:
        """Refuses noise scales that the likelihood has no use for."""
        if self.draws.noise_scale is not None and not isinstance(self.likelihood, Normal):
            raise ConfigError(
                f"the draws have noise scales, which {type(self.likelihood).__name__} does not know; give Normal()."
            )

    def predict(self, start: int, stop: int, inputs: Tensor, targets: Tensor | None, *, together: bool) -> Parts:
        """What draws `start` to before `stop` predict, (draws, batch, ...): by vmap if `together`, else one by one."""
        tree = self._tree(self.draws[start:stop])
        if together:
            return vmap(self._single, in_dims=(0, None, None), randomness="different")(tree, inputs, targets)
        parts = [self._single(_at(tree, i), inputs, targets) for i in range(stop - start)]
        return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}

    def runs_together(self, inputs: Tensor, targets: Tensor | None) -> bool:
        """Whether draws are to be computed by one vmapped call; warns of a network that vmap cannot take, with the reason."""
        work = self.architecture.full().macs * len(inputs)
        if len(self.draws) == 1 or (inputs.device.type == "cpu" and work > _WORTH_A_CALL):
            return False
        try:
            self.predict(0, 2, inputs[:2], None if targets is None else targets[:2], together=True)
        except Exception as error:  # noqa: BLE001  vmap and the network may raise anything, and another way is left
            warnings.warn(
                f"torch.func.vmap cannot take this {type(self.net).__name__} ({type(error).__name__}: {error}), so that its "
                "draws predict one after the other.",
                stacklevel=2,
            )
            return False
        return True

    def _single(self, tree: dict[str, Any], inputs: Tensor, targets: Tensor | None) -> Parts:
        state = self.architecture.parameters(tree["rows"], tree["rest"]) | tree["buffers"]
        outputs = functional_call(self.net, state, (inputs,))
        likelihood = self.likelihood
        if "noise_scale" in tree and isinstance(likelihood, Normal):
            likelihood = likelihood.with_scale(tree["noise_scale"])
        parts = {"mean": likelihood.mean(outputs)}
        if targets is None:
            return parts
        parts["log_density"] = likelihood.log_prob(outputs, targets)
        bounds = likelihood.distribution_function(outputs, targets)
        return parts if bounds is None else parts | {"below": bounds[0], "up_to": bounds[1]}

    def _tree(self, draws: Draws) -> dict[str, Any]:
        """The draws in the network's dtype and on its device, without what vmap could not map over."""
        like = next(self.net.parameters())
        tree: dict[str, Any] = {
            "rows": {name: rows.to(like) for name, rows in draws.rows.items()},
            "rest": draws.rest.to(like),
            "buffers": {name: buffer.to(like.device) for name, buffer in (draws.buffers or {}).items()},
        }
        return tree if draws.noise_scale is None else tree | {"noise_scale": draws.noise_scale.to(like)}


def _at(tree: dict[str, Any], index: int) -> dict[str, Any]:
    """The draw at this place of the first axis."""
    return {name: _at(part, index) if isinstance(part, dict) else part[index] for name, part in tree.items()}


def chunk_sizes(run: Callable[[int, int], None], draws: int, cases: int, budget: float) -> tuple[int, int]:
    """How many draws and cases `run(draws, cases)` may take at once to stay within a budget in bytes.

    Measured, not modelled: activations, copies of weights and sums are whatever they are. The peak is a maximum over moments
    of sums of terms that grow with the cases and terms that do not, so that r times the cases take at most r times the
    memory: sizes grow from two cases by what the last measurement allows. As many cases as fit come before more draws, except
    that where two draws fit, they are what is measured.
    """
    together, some = min(2, draws), min(2, cases)
    while True:
        peak = _peak(run, together, some)
        if peak > budget and together > 1:
            together = 1
            continue
        more = min(cases, int(some * budget / peak))
        if more < 1.5 * some:
            break
        some = more
    if peak > budget:
        some = 1
    return max(1, min(draws, int(together * budget / peak))), some


def _peak(run: Callable[[int, int], None], draws: int, cases: int) -> int:
    with TrackedMemory() as memory:
        run(draws, cases)
    return max(1, memory.peak)
