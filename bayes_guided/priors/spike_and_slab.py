"""Spike and slab: a prior over models, and a density over the rows of the units that are present (P11)."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pyro
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.architecture import Architecture, SubArchitecture
from bayes_guided.arguments import require_instance
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    GuidanceError,
    NoMAPError,
    ReadingError,
    UnitCostError,
)
from bayes_guided.guidance import Guidance, constant
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.models.forms import Form
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.rows.weights import Normal, WeightPrior
from bayes_guided.priors.slab_rows import SlabRows
from bayes_guided.priors.slab_volumes import laplace_log_volume, log_normalizers
from bayes_guided.priors.unit_values import per_unit
from bayes_guided.types import Rows, UnitValues


@dataclass(frozen=True, eq=False)
class SpikeAndSlabPrior:
    """p(m) over models times a slab over the rows of present units; the rows of absent units are exactly zero.

    `guidance` (g_u, with `penalised` as in `GuidedPrior`) scales the slab of each unit and has nothing to do with how
    probable the unit is, which `models` says. Log densities are with respect to prod_u (delta_0 + Lebesgue) over the units
    that `models` may remove. A joint MAP needs to be told how much volume of weight space counts as much as one atom:
    `log_volume` holds log alpha_u, 0 by default; see `laplace_log_volume` (P11). Densities and costs are float64, in nats.

    Raises:
        ConfigError: for a part of the wrong kind.
        ArchitectureMismatchError: if `models` is a prior over another architecture.
        GuidanceError: if a unit that `models` may remove has slab guidance 0; or as `GuidedPrior`.
        SurvivalError: if `log_volume` lacks a group, has the wrong shape, or is not finite.
    """

    architecture: Architecture
    models: ModelPrior
    slab: WeightPrior
    guidance: Guidance = field(default_factory=constant, kw_only=True)
    rest: Normal = field(default_factory=lambda: Normal(strength=0.5), kw_only=True)
    penalised: Literal["row", "norm"] = field(default="row", kw_only=True)
    log_volume: UnitValues | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_instance("slab", self.slab, WeightPrior, "a weight prior, such as priors.Normal(strength=0.5)")
        require_instance("models", self.models, ModelPrior, "a prior over models, such as NestedWidth.from_guidance(...)")
        if self.models.architecture.fingerprint != self.architecture.fingerprint:
            raise ArchitectureMismatchError("the model prior is over another architecture; build both from the same one.")
        for name, prior in self.slab_prior.row_priors.items():
            if bool((prior.protected & self._removable[name]).any()):
                raise GuidanceError(
                    f"a unit of group '{name}' has slab guidance 0, which keeps it in every model, but the model prior may "
                    "remove it; protect it in the model prior too, or give it a positive slab guidance."
                )
        self._log_volumes  # noqa: B018  bad volumes are refused here, not at the first use

    @classmethod
    def calibrated(cls, guided: GuidedPrior, *, curvature: float) -> "SpikeAndSlabPrior":
        """The spike and slab whose joint MAP is the guided regulariser: its `evidence` reading (P11).

        The prior odds are alpha_u Z_u, with alpha_u as in `laplace_log_volume`. Then `joint_penalty` is `guided.penalty` plus
        one constant for all models, and differences of the MAP objective are posterior log odds in Laplace's approximation.
        Protected units are in every model.

        Raises:
            ReadingError: if the weight prior's density is unbounded at zero (GroupHorseshoe): no regulariser is its MAP.
            StrengthError: if the curvature is not positive and finite.
        """
        volume = laplace_log_volume(guided.architecture, curvature)
        try:
            normalizers = log_normalizers(guided)
        except NoMAPError as error:
            raise ReadingError(f"this guided prior has no evidence reading: {error}") from error
        costs = {name: -normalizers[name] - volume[name] for name in volume}
        protected = {name: prior.protected for name, prior in guided.row_priors.items()}
        return cls(
            guided.architecture,
            IndependentInclusion(guided.architecture, costs, protected=protected),
            guided.weights,
            guidance=guided.guidance,
            rest=guided.rest,
            penalised=guided.penalised,
            log_volume=volume,
        )

    @cached_property
    def slab_prior(self) -> GuidedPrior:
        """The prior on the weights of the full model: the slab on all rows, and `rest` on all other weights."""
        return GuidedPrior(self.architecture, self.slab, self.guidance, self.rest, self.penalised)

    def model_prior(self, reading: str = "inclusion") -> ModelPrior:
        """The prior over models, `models`.

        Raises:
            ReadingError: if the reading is not "inclusion", the only one that a prior with models in it has.
        """
        if reading != "inclusion":
            raise ReadingError(
                f'a spike and slab has models in it: its reading is "inclusion", not "{reading}". Other readings are for '
                "continuous priors, such as its `slab_prior`."
            )
        return self.models

    def unit_survival(self) -> dict[str, Float[Tensor, "_"]]:
        """P(m_u = 1) of every unit, (units,) per group: the `inclusion` reading."""
        return self.models.unit_survival()

    def log_prob(
        self, rows: Rows, sub: SubArchitecture, rest: Float[Tensor, "rest"] | None = None
    ) -> Float[Tensor, "*samples"]:
        """Joint log density of rows (*samples, units, row) and a model, and of the rest if it is given.

        -inf where an absent unit's row is not exactly zero, or the model is impossible. A present unit may have a row of
        zeros, though it has probability 0.

        Raises:
            RowShapeError: if a group is missing, or the rows or the rest have the wrong shape.
            ArchitectureMismatchError: if the model belongs to another architecture.
        """
        self._rows.check(rows, rest)
        return _joined(self.models.log_prob(sub), self._rows.log_prob(rows, sub.masks, rest))

    def log_prob_rows(self, rows: Rows, rest: Float[Tensor, "rest"] | None = None) -> Float[Tensor, "*samples"]:
        """`log_prob` with the model read off the rows: a unit is present if its row is not zero, or `models` protects it.

        Raises:
            RowShapeError: as `log_prob`.
        """
        samples = self._rows.check(rows, rest)
        masks = {name: row.detach().cpu().ne(0).any(dim=-1) | ~self._removable[name] for name, row in rows.items()}
        flat = {name: mask.reshape(-1, mask.shape[-1]) for name, mask in masks.items()}
        return _joined(self.models.log_prob_masks(flat).reshape(samples), self._rows.log_prob(rows, masks, rest))

    def joint_penalty(
        self, rows: Rows, sub: SubArchitecture, rest: Float[Tensor, "rest"] | None = None
    ) -> Float[Tensor, "*samples"]:
        """What the joint MAP of model and weights adds to the data: it minimises `N * mean NLL + joint_penalty` (P11).

        -log p(m), and for every unit that is present r_u Omega(row_u) + log Z_u + log alpha_u (protected units without
        alpha). With the rest, minus its log density. inf where `log_prob` is -inf.

        Raises:
            NoMAPError: if the slab's density is unbounded at zero (GroupHorseshoe).
            RowShapeError, ArchitectureMismatchError: as `log_prob`.
        """
        normalizers = self._log_normalizers  # refuses an unbounded density
        density = self.log_prob(rows, sub, rest)
        volume = sum(float(self._log_volumes[name][sub.masks[name] & self._removable[name]].sum()) for name in normalizers)
        return volume - density

    def unit_cost(self) -> dict[str, Float[Tensor, "units"]]:
        """What the joint MAP pays for a unit's presence besides r_u Omega(row_u): c_u + log Z_u + log alpha_u, in nats (P11).

        `joint_penalty` is the sum over present units of the two, plus a constant. 0 for protected units.

        Raises:
            UnitCostError: unless `models` is an IndependentInclusion, under which a unit's cost is its own.
            NoMAPError: as `joint_penalty`.
        """
        if not isinstance(self.models, IndependentInclusion):
            raise UnitCostError(
                f"under {type(self.models).__name__} a unit's cost depends on which others are present; compare models by "
                "their joint_penalty, or use IndependentInclusion."
            )
        normalizers, costs = self._log_normalizers, self.models.costs
        return {
            name: torch.where(removable, costs[name] + normalizers[name] + self._log_volumes[name], 0.0)
            for name, removable in self._removable.items()
        }

    def sample(
        self, n: int, generator: torch.Generator | None = None
    ) -> tuple[dict[str, Bool[Tensor, "samples _"]], dict[str, Float[Tensor, "samples _ _"]]]:
        """`n` independent draws of masks (n, units) and float32 rows (n, units, row), exactly zero where a unit is absent.

        `generator` lives on the CPU; without it torch's global one is used.
        """
        masks = self.models.sample(n, generator)
        return masks, self._rows.sample(masks, generator)

    def pyro_rows(
        self, like: Float[Tensor, "..."], form: Form = "joint", *, temperature: float = 0.5
    ) -> dict[str, Float[Tensor, "*batch units row"]]:
        """Samples masks and rows as Pyro sites and returns rows times masks, in the dtype and on the device of `like`.

        The masks' sites are those of `models.pyro_masks(form)`. The sites "rows.<group>" hold rows of all units under the
        slab, of absent ones too: multiplied by the masks they have this prior's law.

        Raises:
            UnsupportedFormError: if the model prior has no such form.
        """
        masks = self.models.pyro_masks(form, temperature=temperature)
        result = {}
        for name, mask in masks.items():
            row = pyro.sample(f"rows.{name}", self.slab_prior.distribution(name, like).to_event(1))
            result[name] = row * mask.to(like).unsqueeze(-1)
        return result

    @cached_property
    def _removable(self) -> dict[str, Bool[Tensor, "units"]]:
        """The units that the model prior may remove."""
        units = self.models.units
        nowhere = {group.name: torch.zeros(group.size, dtype=torch.bool) for group in self.architecture.groups}
        return {name: mask.index_fill(0, units.index[name], True) for name, mask in nowhere.items()}

    @cached_property
    def _log_volumes(self) -> dict[str, Float[Tensor, "units"]]:
        zero = {group.name: torch.zeros(group.size) for group in self.architecture.groups}
        return per_unit(self.architecture, self.log_volume or zero, "log volumes")

    @cached_property
    def _log_normalizers(self) -> dict[str, Float[Tensor, "units"]]:
        return log_normalizers(self.slab_prior)

    @cached_property
    def _rows(self) -> SlabRows:
        return SlabRows(self.slab_prior)


def _joined(log_model: Float[Tensor, "*#samples"], log_rows: Float[Tensor, "*samples"]) -> Float[Tensor, "*samples"]:
    """Their sum on the rows' device, -inf where the model is impossible, whatever the rows' density."""
    log_model = log_model.to(log_rows.device)
    return torch.where(log_model > -torch.inf, log_model + log_rows, -torch.inf)
