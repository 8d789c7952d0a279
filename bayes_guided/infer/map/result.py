"""The result of a MAP fit."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bayes_guided.analysis.implied import Reading
from bayes_guided.architecture import SubArchitecture
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.prediction.evaluation import Evaluation
from bayes_guided.infer.refit import Refit, evaluate_point, predict_point, refitted
from bayes_guided.infer.training.batches import Data
from bayes_guided.likelihoods import Likelihood, Normal
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.types import Rows, UnitValues


@dataclass(frozen=True, eq=False)
class MAPFit(Fit):
    """The MAP of a guided prior: a trained network in which whole rows are exactly zero.

    `net` has the full shape; `reduce()` hands back the smaller network that computes the same, and `refit`, if it was asked
    for, is that one trained on without guidance. Its one reading is "map", 1 for units whose row is not exactly zero: a
    statement about one point, not a probability (P20).
    """

    prior: GuidedPrior
    refit: Refit | None

    method: ClassVar[str] = "map"

    @property
    def approximation(self) -> str:
        """One point."""
        return "MAP: one point, not a posterior; a unit is exactly zero or not (P20)"

    @property
    def readings(self) -> tuple[str, ...]:
        """Exact zeros."""
        return ("map",)

    @property
    def collapsed(self) -> list[str]:
        """Groups without any unit left that cannot go; `reduce` keeps one zero unit of each."""
        return self.architecture.collapsed({name: int(alive.sum()) for name, alive in self._alive.items()})

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """The one point, `n` times."""
        del generator
        rest = self.architecture.rest_vector(self.net).detach()
        noise = self.likelihood.scale if isinstance(self.likelihood, Normal) and self.likelihood.learned else None
        return Draws(
            {name: rows.expand(n, -1, -1) for name, rows in self.rows.items()},
            rest.expand(n, -1),
            None if noise is None else torch.as_tensor(noise).detach().expand(n),
        )

    def sub_architecture(self) -> SubArchitecture:
        """The units that are not exactly zero; of a collapsed group, the unit of least guidance."""
        return surviving(self.prior, self.rows)

    def predict(self, inputs: Tensor | np.ndarray, *, draws: int = 1, refit: bool = False) -> Float[Tensor, "batch ..."]:
        """The targets' mean under the likelihood (class probabilities, rates), in evaluation mode.

        `draws` has no say: there is one point.

        Raises:
            DataError: if the network does not run on the inputs.
            ConfigError: if `refit` is asked for but the fit has none.
        """
        del draws
        return predict_point(*self._predictor(refit), inputs)

    def evaluate(self, data: Data, *, draws: int = 1, refit: bool = False) -> Evaluation:
        """Error and negative log likelihood on data; `draws` has no say.

        Raises:
            DataError, LabelError: for data that cannot be used.
            ConfigError: if `refit` is asked for but the fit has none.
        """
        del draws
        return evaluate_point(*self._predictor(refit), data)

    @property
    def _alive(self) -> dict[str, Bool[Tensor, "units"]]:
        return {name: (rows != 0).any(dim=1) for name, rows in self.rows.items()}

    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        """Plus or minus infinity."""
        return {name: torch.where(alive, torch.inf, -torch.inf) for name, alive in self._alive.items()}

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> dict[str, Bool[Tensor, "draws _"]]:
        return {name: alive.expand(len(draws), -1) for name, alive in self._alive.items()}

    def _to_tree(self) -> dict[str, Any]:
        return {"refit": None if self.refit is None else self.refit.to_tree()}

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "MAPFit":
        fit = cls(**common, refit=None)
        return fit if tree["refit"] is None else replace(fit, refit=Refit.from_tree(tree["refit"], fit.reduce()))

    def _predictor(self, refit: bool) -> tuple[nn.Module, Likelihood]:
        chosen = refitted(self.refit) if refit else self
        return chosen.net, chosen.likelihood


def surviving(prior: GuidedPrior, rows: Rows) -> SubArchitecture:
    """The units whose rows are not exactly zero; of a group that is empty and may not be, the unit of least guidance."""
    masks = {name: (row != 0).any(dim=1).cpu() for name, row in rows.items()}
    for name in prior.architecture.collapsed({name: int(mask.sum()) for name, mask in masks.items()}):
        masks[name][int(prior.coefficients[name].argmin())] = True
    return prior.architecture.sub_architecture(masks)
