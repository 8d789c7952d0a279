"""A fit whose posterior over models is known exactly: a table of masks and their probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bayes_guided import guidance, likelihoods, nets, priors
from bayes_guided.architecture import Architecture, SubArchitecture
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer import Draws, Fit, History
from bayes_guided.priors import GuidedPrior, IndependentInclusion, SpikeAndSlabPrior
from bayes_guided.priors.models.model_prior import ModelPrior
from tests.infer.problems import built


def small_net(*widths: int) -> nn.Module:
    return built(lambda: nets.mlp(3, widths, outputs=2))


def small_architecture(*widths: int) -> Architecture:
    return Architecture.from_module(small_net(*widths), torch.zeros(2, 3))


def slab_prior(models: ModelPrior) -> SpikeAndSlabPrior:
    return SpikeAndSlabPrior(models.architecture, models, priors.Normal(strength=1.0))


def independent_prior(architecture: Architecture, odds: list[float], protected: Mapping[str, Tensor] | None = None):
    """A spike and slab whose units have these prior log odds, all groups in order."""
    costs = dict(zip((g.name for g in architecture.groups), torch.tensor(odds).double().neg().split(
        [g.size for g in architecture.groups]), strict=True))  # fmt: skip
    models = IndependentInclusion(architecture, costs, protected=protected)
    if protected is None:
        return slab_prior(models)
    coefficients = {name: 1.0 - mask.double() for name, mask in protected.items()}
    return SpikeAndSlabPrior(architecture, models, priors.Normal(strength=1.0), guidance=guidance.custom(coefficients))


def guided_prior(architecture: Architecture, strength: float = 4.0, weights: Any = None) -> GuidedPrior:
    weights = priors.GroupLaplace(strength=strength) if weights is None else weights
    return GuidedPrior(architecture, weights=weights, guidance=guidance.linear())


@dataclass(frozen=True, eq=False)
class TableFit(Fit):
    """`table` holds the masks (models, units of all groups) with positive posterior probability `probabilities`."""

    table: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    known_reading: str = "inclusion"

    method: ClassVar[str] = "table"

    @property
    def approximation(self) -> str:
        return "exact table"

    @property
    def readings(self) -> tuple[str, ...]:
        return (self.known_reading,)

    @property
    def exact_survival(self) -> NDArray[np.float64]:
        return self.probabilities @ self.table

    def _log_odds(self, reading, meaning):
        return self._split(torch.logit(torch.from_numpy(self.exact_survival)))

    def _masks(self, reading, meaning, draws):
        assert draws.masks is not None
        return draws.masks

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        which = torch.multinomial(torch.from_numpy(self.probabilities), n, replacement=True, generator=generator)
        masks = self._split(torch.from_numpy(self.table)[which])
        rows = {name: row * masks[name][..., None] for name, row in self.rows.items()}
        return Draws(rows, self.architecture.rest_vector(self.net).detach().expand(n, -1), masks=masks)

    def sub_architecture(self) -> SubArchitecture:
        return SubArchitecture(self.architecture, self._split(torch.from_numpy(self.table[self.probabilities.argmax()])))

    def _to_tree(self):
        raise NotImplementedError

    @classmethod
    def _from_tree(cls, common, tree):
        raise NotImplementedError

    def _split(self, values: Tensor) -> dict[str, Tensor]:
        parts = values.split([group.size for group in self.architecture.groups], dim=-1)
        return dict(zip((group.name for group in self.architecture.groups), parts, strict=True))


@dataclass(frozen=True, eq=False)
class IndependentFit(TableFit):
    """A table whose units are independent, as the fit knows; drawing weights is refused to show that it is not needed."""

    def independent_units(self, reading: str) -> bool:
        return reading == self.known_reading

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        raise AssertionError("units are independent: no weights need to be drawn")


@dataclass(frozen=True, eq=False)
class MarginalFit(TableFit):
    """A fit that knows the marginals and an interval, and no joint models."""

    def _interval(self, reading, meaning, level):
        half = (1 - level) / 2
        values = torch.from_numpy(self.exact_survival)
        return self._split((values - half).clamp(min=0)), self._split((values + half).clamp(max=1))

    def _masks(self, reading, meaning, draws):
        raise ReadingError("only marginals")


def table_fit(prior: Any, table: Any, probabilities: Any, kind: type[TableFit] = TableFit, **settings: Any) -> TableFit:
    """A fit of the small network with this posterior over models."""
    widths = [group.size for group in prior.architecture.groups]
    return kind(
        prior, likelihoods.Categorical(), small_net(*widths), History(), 5, 0.0,
        np.asarray(table, dtype=bool), np.asarray(probabilities, dtype=float), **settings,
    )  # fmt: skip


def product_table(survival: Any) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """All masks of independent units and their probabilities."""
    survival = np.asarray(survival)
    table = (np.arange(2 ** len(survival))[:, None] >> np.arange(len(survival))) % 2 == 1
    return table, np.where(table, survival, 1 - survival).prod(axis=1)


def exact_divergence(table: Any, probabilities: Any, log_prior: Any) -> float:
    """KL of a table of masks from a prior, by its definition."""
    probabilities = np.asarray(probabilities)
    seen = probabilities > 0
    return float((probabilities[seen] * (np.log(probabilities[seen]) - np.asarray(log_prior)[seen])).sum())
