"""The result of an ensemble of MAP fits."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.analysis.implied import Reading
from bayes_guided.analysis.intervals import frequency_log_odds, jeffreys_interval
from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.ensemble.members import put_member
from bayes_guided.infer.ensemble.objective import kept_by_half
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.map.result import MAPFit
from bayes_guided.infer.prediction.evaluation import Evaluation
from bayes_guided.infer.prediction.predictive import evaluate_draws, predict_draws
from bayes_guided.infer.training.batches import Data, as_batches, as_tensor
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.types import Masks, UnitValues

Vary = Literal["seed", "bootstrap", "both"]
"""What differs between members."""

MEASURES: dict[str, str] = {
    "seed": "initial weights and batch order differ, so the share of members that keep a unit measures optimiser noise",
    "bootstrap": "the weights of the cases differ, so the share of members that keep a unit measures sampling noise",
    "both": "initial weights, batch order and the weights of the cases differ, so the share of members that keep a unit mixes "
    "optimiser and sampling noise",
}


@dataclass(frozen=True, eq=False)
class EnsembleFit(Fit):
    """MAP fits that differ by seed, by bootstrap weights, or both.

    The one reading is "map": the share of members in which a unit's row is not exactly zero. It is a frequency over members,
    not a posterior probability (P20). `net` and `likelihood` are member 0, which started at the network's own weights.
    """

    prior: GuidedPrior
    members: Draws
    """All weights and buffers, one draw per member."""
    vary: Vary

    method: ClassVar[str] = "ensemble"

    @property
    def approximation(self) -> str:
        """What the members' variation measures."""
        return f"ensemble of {len(self)} MAP fits: {MEASURES[self.vary]}; it is a frequency, not a posterior (P20)"

    @property
    def readings(self) -> tuple[str, ...]:
        """Exact zeros."""
        return ("map",)

    def __len__(self) -> int:
        """Number of members."""
        return len(self.members)

    @property
    def survivals(self) -> dict[str, Int[Tensor, "units"]]:
        """In how many members each unit's row is not exactly zero."""
        return {name: alive.sum(dim=0) for name, alive in self.member_masks.items()}

    @property
    def member_masks(self) -> Masks:
        """Whose rows are not exactly zero, boolean (members, units) per group."""
        return {name: (rows != 0).any(dim=2) for name, rows in self.members.rows.items()}

    @property
    def member_widths(self) -> dict[str, Int[Tensor, "members"]]:
        """Units left in every member, a count per group."""
        return {name: alive.sum(dim=1) for name, alive in self.member_masks.items()}

    def member(self, index: int) -> MAPFit:
        """One member as a MAP fit; `history`, `seed` and `seconds` are the ensemble's.

        Raises:
            ConfigError: if there is no such member.
        """
        if not 0 <= index < len(self):
            raise ConfigError(f"there is no member {index}: the ensemble has members 0 to {len(self) - 1}.")
        net, likelihood = copy.deepcopy(self.net), copy.deepcopy(self.likelihood)
        put_member(self.architecture, net, likelihood, self.members[index : index + 1])
        return MAPFit(
            prior=self.prior,
            likelihood=likelihood,
            net=net,
            history=self.history,
            seed=self.seed,
            seconds=self.seconds,
            refit=None,
        )

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """`n` members: each as often as `n` allows, the remainder drawn without replacement."""
        generator = self.generator() if generator is None else generator
        members = len(self)
        rest = torch.randperm(members, generator=generator)[: n % members]
        index = torch.cat([torch.arange(members).repeat(n // members), rest]).sort().values
        return self.members[index.to(self.members.rest.device)]

    def sub_architecture(self) -> SubArchitecture:
        """The units that at least half of the members keep; of a group that would be empty and may not be, the one kept
        most often (of several, the one of least guidance).

        `reduce()` cuts member 0 down to them: where member 0 has lost one, it stays as a zero unit.
        """
        masks = {name: kept_by_half(alive).cpu() for name, alive in self.member_masks.items()}
        survivals = self.survivals
        for name in self.architecture.collapsed({name: int(mask.sum()) for name, mask in masks.items()}):
            often = survivals[name].cpu() == survivals[name].cpu().max()
            guidance = self.prior.coefficients[name].masked_fill(~often, torch.inf)
            masks[name][int(guidance.argmin())] = True
        return self.architecture.sub_architecture(masks)

    def predict(self, inputs: Tensor | np.ndarray, *, draws: int = 100) -> Float[Tensor, "batch ..."]:
        """The mean of all members' predictions (class probabilities, rates), in evaluation mode; `draws` has no say.

        Raises:
            DataError: if the network does not run on the inputs.
        """
        del draws
        like = next(self.net.parameters())
        inputs = as_tensor(inputs, like.dtype).to(like.device)
        return predict_draws(self.net, self.architecture, self.likelihood, self.members, inputs)

    def evaluate(self, data: Data, *, draws: int = 100) -> Evaluation:
        """Error, log predictive density and calibration of the mixture of all members; `draws` has no say.

        Raises:
            DataError, LabelError: for data that cannot be used.
        """
        del draws
        like = next(self.net.parameters())
        batches = as_batches(data, 1024, like.device, like.dtype)
        return evaluate_draws(self.net, self.architecture, self.likelihood, self.members, batches)

    def _survival(self, reading: str, meaning: Reading | None) -> UnitValues:
        return {name: count.double() / len(self) for name, count in self.survivals.items()}

    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        """log((k + 1/2) / (n - k + 1/2)) of k of n members: finite where all members agree."""
        return {name: frequency_log_odds(count, len(self)) for name, count in self.survivals.items()}

    def _interval(self, reading: str, meaning: Reading | None, level: float) -> tuple[UnitValues, UnitValues]:
        """Jeffreys' interval of the frequency over members: it shrinks with more members, not with more data."""
        ends = {name: jeffreys_interval(count, len(self), level) for name, count in self.survivals.items()}
        return {name: lower for name, (lower, _) in ends.items()}, {name: upper for name, (_, upper) in ends.items()}

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> dict[str, Bool[Tensor, "draws _"]]:
        return {name: (rows != 0).any(dim=2) for name, rows in draws.rows.items()}

    def _to_tree(self) -> dict[str, Any]:
        members = self.members
        return {
            "vary": self.vary,
            "rows": dict(members.rows),
            "rest": members.rest,
            "noise_scale": members.noise_scale,
            "buffers": None if members.buffers is None else dict(members.buffers),
        }

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "EnsembleFit":
        device = next(common["net"].parameters()).device
        noise, buffers = tree["noise_scale"], tree["buffers"]
        members = Draws(
            {name: rows.to(device) for name, rows in tree["rows"].items()},
            tree["rest"].to(device),
            None if noise is None else noise.to(device),
            buffers=None if buffers is None else {name: buffer.to(device) for name, buffer in buffers.items()},
        )
        return cls(**common, members=members, vary=tree["vary"])
