"""Models weighted by their complexity: p(m) proportional to exp(-C(widths)) (P13)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ComplexityError, ExactLimitError, ImproperPriorError
from bayes_guided.priors.models.complexity import (
    Complexity,
    CustomComplexity,
    PairwiseComplexity,
    WidthCost,
    cost_complexity,
    mdl_complexity,
)
from bayes_guided.priors.models.forest import forest
from bayes_guided.priors.models.forms import Form, SampleSites
from bayes_guided.priors.models.joint_widths import MAX_COMBINATIONS, JointWidths, ListedWidths, num_combinations
from bayes_guided.priors.models.mean_cost import strength_of_mean_cost
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.width_forest import ForestWidths
from bayes_guided.priors.models.width_sampler import WidthEstimates, sample_widths, summarise
from bayes_guided.priors.unit_values import require_strength
from bayes_guided.types import Masks


@dataclass(frozen=True, eq=False)
class GibbsComplexity(ModelPrior):
    """p(m) proportional to exp(-C), C = beta * cost of the sub-architecture, in nats; all masks of the same widths are equal.

    `cost` is "parameters" or "macs" (counts of the reduced network), "mdl" (a code length: the width and which units), or a
    function from widths {group: float64 tensor}, which broadcast, to the cost of each combination. Groups have at least one
    unit: an empty layer makes its neighbours free and would take much of the mass. The gate of a block may be off: all that
    lies in the block is then free. `minimum_widths` raise the minimum.

    Exact where the couplings between groups form chains or trees (plain networks, residual streams with one width) at any
    size, and where there are at most 2^20 combinations of widths. Otherwise every exact method refuses, and `estimate` runs
    Markov chains over the widths and reports their error. Units cannot be protected: protect layers in the architecture.
    Pyro form: "joint".

    Raises:
        ComplexityError: if the cost is unknown, or (on use) not finite.
        StrengthError: if beta is not positive and finite.
        ImproperPriorError: if protected units are given.
    """

    cost: str | WidthCost
    beta: float = field(kw_only=True)
    minimum_widths: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        require_strength(self.beta)
        if self.protected is not None:
            raise ImproperPriorError(
                "GibbsComplexity has no protected units, as all units of a group are alike under it; protect whole layers by "
                "Architecture.from_module(..., protect=[...]), or set a minimum by condition(min_width=...)."
            )
        if not callable(self.cost) and self.cost not in ("parameters", "macs", "mdl"):
            raise ComplexityError(f'cost "{self.cost}" is unknown; give "parameters", "macs", "mdl" or a function of widths.')

    @classmethod
    def from_mean_cost(cls, architecture: Architecture, cost: str | WidthCost, mean_cost: float) -> "GibbsComplexity":
        """The prior under which a model costs `mean_cost` on average, in the unit of `cost`: its beta is solved for (P13).

        Of all priors with that mean cost and at least one unit per group it is the one of largest entropy. The cost is that
        of the whole reduced network, the layers that stay included. Needs the exact law of the widths.

        Raises:
            ComplexityError: if the cost is unknown, or no beta > 0 has that mean.
            ExactLimitError: if no exact method serves.
        """

        if not 0 < mean_cost < float("inf"):
            raise ComplexityError(f"a mean cost of {mean_cost} is not positive and finite.")

        def at(beta: float) -> "GibbsComplexity":
            return cls(architecture, cost, beta=beta)

        negative, _ = next(at(1 / mean_cost).joint_widths.ranked())
        return at(strength_of_mean_cost(lambda beta: at(beta).mean_cost, mean_cost, -negative * mean_cost))

    @cached_property
    def complexity(self) -> Complexity:
        """C(widths), nats: widths {group: float64 tensor} broadcast."""
        if callable(self.cost):
            return CustomComplexity(self.cost, self.beta)
        if self.cost == "mdl":
            return mdl_complexity(self.architecture, self.beta)
        return cost_complexity(self.architecture, self.cost, self.beta)

    @cached_property
    def joint_widths(self) -> JointWidths:
        """The exact joint law of the widths.

        Raises:
            ExactLimitError: if no exact method serves.
        """
        complexity, sizes, minimums = self.complexity, self.units.sizes, self._minimums
        if isinstance(complexity, PairwiseComplexity):
            branches = forest(self.units.names, complexity.couplings)
            if branches is not None:
                return ForestWidths(complexity, sizes, minimums, branches)
        combinations_of_widths = num_combinations(sizes, minimums)
        if combinations_of_widths > MAX_COMBINATIONS:
            raise ExactLimitError(
                f"{combinations_of_widths:.3g} combinations of widths are too many to list (limit {MAX_COMBINATIONS}) and the "
                "couplings between groups form no chain or tree. Use estimate(...), which runs Markov chains and reports "
                "their error."
            )
        return ListedWidths(complexity, sizes, minimums)

    def estimate(self, sweeps: int = 200, *, chains: int = 64, generator: torch.Generator | None = None) -> WidthEstimates:
        """Width laws, size law and survivals with standard errors, from Markov chains: for any complexity and size.

        `sweeps` updates of every width are kept per chain, after as many that are dropped.

        Raises:
            ValueError: if there are fewer than 4 sweeps or 2 chains.
            ComplexityError: if the complexity is not finite or of the wrong shape.
        """
        if sweeps < 4 or chains < 2:
            raise ValueError(f"estimate(sweeps={sweeps}, chains={chains}): an error needs 4 sweeps and 2 chains or more.")
        draws = sample_widths(self.complexity, self.units.sizes, self._minimums, sweeps, chains, generator)
        return summarise(draws, self.units.sizes)

    @property
    def log_normaliser(self) -> float:
        """log of the sum of exp(-C) over all models, nats.

        Raises:
            ExactLimitError: if no exact method serves.
        """
        return self.joint_widths.log_normaliser()

    @property
    def mean_cost(self) -> float:
        """The expected cost of a model, in the unit of `cost` (parameters, MACs, nats of code length).

        Raises:
            ExactLimitError: if no exact method serves.
        """
        return self.joint_widths.expected_complexity() / self.beta

    @property
    def _minimums(self) -> dict[str, int]:
        least = {group.name: 0 if group.removable_whole else 1 for group in self.architecture.groups}
        return {name: max(least[name], self.minimum_widths.get(name, 0)) for name in self.units.names}

    def _log_prob(self, masks: Masks) -> Float[Tensor, "samples"]:
        widths = {name: mask.sum(dim=1) for name, mask in masks.items()}
        enough = torch.stack([widths[name] >= least for name, least in self._minimums.items()]).all(dim=0)
        # Models below the minimum are impossible; their complexity may not even be finite, so it is not asked for.
        allowed = {name: width.clamp(min=self._minimums[name]).double() for name, width in widths.items()}
        return torch.where(enough, -self.complexity(allowed) - self.log_normaliser, -torch.inf)

    def _sample(self, n: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        result = {}
        for name, widths in self.joint_widths.sample(n, generator).items():
            noise = torch.rand(n, self.units.sizes[name], dtype=torch.float64, generator=generator)
            result[name] = noise.argsort(dim=1).argsort(dim=1) < widths[:, None]
        return result

    def _survival(self) -> dict[str, Tensor]:
        result = {}
        for name, law in self.joint_widths.log_width_laws().items():
            size = self.units.sizes[name]
            mean = law.exp() @ torch.arange(size + 1, dtype=torch.float64)
            result[name] = (mean / size).repeat(size)
        return result

    def _log_width_law(self, group: str) -> Float[Tensor, "widths"]:
        return self.joint_widths.log_width_laws()[group]

    def _log_size_law(self) -> Float[Tensor, "sizes"]:
        return self.joint_widths.log_size_law()

    def _entropy(self) -> float:
        """log Z + E C."""
        return self.log_normaliser + self.joint_widths.expected_complexity()

    def _ranked(self) -> Iterator[tuple[float, dict[str, Tensor]]]:
        log_normaliser = self.log_normaliser
        for value, widths in self.joint_widths.ranked():
            for masks in _masks_of_widths(list(widths.items()), self.units.sizes):
                yield value - log_normaliser, masks

    def _condition(self, minimums: dict[str, int]) -> "GibbsComplexity":
        merged = {name: max(value, self._minimums[name]) for name, value in minimums.items()}
        return replace(self, minimum_widths=merged)

    def _forms(self) -> dict[Form, SampleSites]:
        return {"joint": self._joint_form}


def _masks_of_widths(widths: Sequence[tuple[str, int]], sizes: Mapping[str, int]) -> Iterator[dict[str, Tensor]]:
    """Every choice of masks with these widths, lazily: there may be more than any memory holds."""
    if not widths:
        yield {}
        return
    *others, (name, width) = widths
    for masks in _masks_of_widths(others, sizes):
        for chosen in combinations(range(sizes[name]), width):
            mask = torch.zeros(sizes[name], dtype=torch.bool)
            mask[list(chosen)] = True
            yield {**masks, name: mask}
