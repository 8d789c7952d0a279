"""The guided prior: an architecture, a guidance, a weight prior on the rows and a proper prior on everything else."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pyro.distributions import TorchDistribution
from torch import Tensor, nn

from bayes_guided.analysis.implied import reading_of
from bayes_guided.architecture import Architecture, Role, UnitGroup
from bayes_guided.arguments import require_instance
from bayes_guided.exceptions import ArchitectureMismatchError, ConfigError, RowShapeError
from bayes_guided.guidance import Guidance, constant
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.rows.row_prior import RowPrior
from bayes_guided.priors.rows.weights import Normal, WeightPrior
from bayes_guided.types import Rows, UnitValues


@dataclass(frozen=True, eq=False)
class GuidedPrior:
    """A structured prior over the weights in which guidance says how strongly each unit should go.

    `penalised` says which part of a row the guidance presses on, in groups with a norm: the whole "row", or the "norm"'s
    scale and shift, with the ridge `rest` on the weights before the norm, whose scale means nothing (P25). Groups that no norm
    silences (`UnitGroup.norm_silences`: there is none, or layers read around it) are penalised as whole rows. `rest` is the
    proper prior on all weights that no guided unit owns; a penalty on the rows alone could be gamed by moving scale into the
    next layer (P25).

    Raises:
        GuidanceError, ProtectedGroupError: as `Guidance.coefficients`.
        ConfigError: for a part of the wrong kind, or if `penalised` is neither "row" nor "norm".
    """

    architecture: Architecture
    weights: WeightPrior
    guidance: Guidance = field(default_factory=constant)
    rest: Normal = field(default_factory=lambda: Normal(strength=0.5))
    penalised: Literal["row", "norm"] = "row"

    def __post_init__(self) -> None:
        if self.penalised not in ("row", "norm"):
            raise ConfigError(f'GuidedPrior(penalised={self.penalised!r}): give "row" or "norm".')
        require_instance("architecture", self.architecture, Architecture, "what Architecture.from_module returns")
        require_instance("weights", self.weights, WeightPrior, "a weight prior, such as priors.GroupLaplace(strength=3.0)")
        require_instance("guidance", self.guidance, Guidance, "a guidance, such as guidance.linear()")
        require_instance("rest", self.rest, Normal, "the ridge on all other weights, priors.Normal(strength)")
        self.row_priors  # noqa: B018  bad guidance is refused here, not at the first use

    def check(self, net: nn.Module) -> None:
        """Refuses a network that this prior does not describe: every parameter is a row's or the rest's, no other exists.

        Raises:
            ArchitectureMismatchError: if names or shapes of parameters differ from the architecture's.
        """
        shapes = {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}
        expected = dict(self.architecture.parameter_shapes)
        if shapes == expected:
            return
        name = next(name for name in (shapes | expected) if shapes.get(name) != expected.get(name))
        raise ArchitectureMismatchError(
            f"parameter {name!r} is {shapes.get(name, 'missing')} in the network and {expected.get(name, 'missing')} in the "
            "prior's architecture; build the prior from Architecture.from_module of this network."
        )

    @cached_property
    def row_priors(self) -> dict[str, RowPrior]:
        """The prior on the rows of every group."""
        coefficients = self.guidance.coefficients(self.architecture)
        return {
            group.name: RowPrior(group.name, self.weights, self.rest, coefficients[group.name], self._columns(group))
            for group in self.architecture.groups
        }

    @property
    def coefficients(self) -> UnitValues:
        """The guidance coefficients g_u per group, float64 of shape (units,)."""
        return {name: prior.guidance for name, prior in self.row_priors.items()}

    def rates(self) -> UnitValues:
        """The rates r_u per group, float64 of shape (units,); 0 for protected units."""
        return {name: prior.rates for name, prior in self.row_priors.items()}

    def distribution(self, group: str, like: Float[Tensor, "..."]) -> TorchDistribution:
        """The density over the rows of a group, batch shape (units,), in the dtype and on the device of `like`."""
        return self.row_priors[self.architecture.group(group).name].distribution(like)

    def rest_distribution(self, like: Float[Tensor, "..."]) -> TorchDistribution:
        """The density over the vector of all other weights, event shape (rest,)."""
        rate = self.rest.rates(torch.ones((), dtype=like.dtype, device=like.device), 1)
        return self.rest.distribution(rate, self.architecture.rest_size)

    def log_prob(self, rows: Rows, rest: Float[Tensor, "rest"] | None = None) -> Float[Tensor, ""]:
        """Log density of all rows, and of the rest if it is given, in nats.

        Raises:
            RowShapeError: if a group is missing, or the rows or the rest have the wrong shape.
        """
        self._check(rows, rest)
        parts = [self.distribution(name, row).log_prob(row).sum() for name, row in rows.items()]
        if rest is not None and self.architecture.rest_size:
            parts.append(self.rest_distribution(rest).log_prob(rest))
        return torch.stack(parts).sum()

    def penalty(self, rows: Rows, rest: Float[Tensor, "rest"] | None = None) -> Float[Tensor, ""]:
        """The guided regulariser in nats: minus the log density without its constants (P5).

        `N * mean NLL + penalty` is the MAP objective.

        Raises:
            NoMAPError: if the weight prior is unbounded (GroupHorseshoe).
            RowShapeError: as `log_prob`.
        """
        self._check(rows, rest)
        parts = [self.row_priors[name].penalty(row).sum() for name, row in rows.items()]
        if rest is not None:
            parts.append(self.rest.strength * rest.square().sum())
        return torch.stack(parts).sum()

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> dict[str, Float[Tensor, "*shape units row"]]:
        """Rows drawn from the prior, float32 of shape sample_shape + (units, row), from torch's global generator.

        Protected units come from the base prior, which is proper.
        """
        like = torch.empty((), dtype=torch.float32)
        return {name: prior.distribution(like).sample(torch.Size(sample_shape)) for name, prior in self.row_priors.items()}

    def model_prior(self, reading: str, *, tau: float | None = None, curvature: float | None = None) -> IndependentInclusion:
        """The prior over models that this prior implies under a reading: independent units with the reading's log odds.

        `reading` is "threshold" (needs `tau`), "shrinkage" or "evidence" (need `curvature`, that of the summed negative log
        likelihood per weight); `analysis.implied` says what each means. Protected units are in every model.

        Raises:
            ReadingError: if the family has no such reading, or its number is missing ("inclusion" needs a prior that has
                models in it: SpikeAndSlabPrior).
        """
        meaning = reading_of(reading, tau=tau, curvature=curvature)
        costs = {name: -prior.model_log_odds(meaning) for name, prior in self.row_priors.items()}
        protected = {name: prior.protected for name, prior in self.row_priors.items()}
        return IndependentInclusion(self.architecture, costs, protected=protected)

    def _columns(self, group: UnitGroup) -> Bool[Tensor, "row"]:
        norm_only = self.penalised == "norm" and group.norm_silences
        parts = [
            torch.full((block.size,), not norm_only or block.role in (Role.NORM_SCALE, Role.NORM_SHIFT))
            for block in group.blocks
        ]
        return torch.cat(parts)

    def _check(self, rows: Rows, rest: Float[Tensor, "rest"] | None) -> None:
        expected = {group.name: (group.size, group.row_dim) for group in self.architecture.groups}
        given = {name: tuple(row.shape) for name, row in rows.items()}
        if given != expected:
            raise RowShapeError(f"rows of shapes {given} do not fit this architecture, whose rows are {expected}.")
        if rest is not None and len(rest) != self.architecture.rest_size:
            raise RowShapeError(f"the rest has {len(rest)} weights; this architecture's has {self.architecture.rest_size}.")
