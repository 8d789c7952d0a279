"""Every unit is in the model or not, independently of the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyro
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from bayes_guided.architecture import Architecture
from bayes_guided.guidance import Guidance, constant
from bayes_guided.priors.models.attainable import survivals_of_width_law
from bayes_guided.priors.models.factorised import FactorisedPrior
from bayes_guided.priors.models.forms import Form, SampleSites, forms_of_units, unit_site
from bayes_guided.priors.models.group_law import GroupLaw
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.priors.models.mean_width import costs_of_mean_width
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.top_models import smallest_subset_sums
from bayes_guided.priors.models.unit_tree import log_poisson_binomial
from bayes_guided.priors.models.width_laws import WidthLaw, conditioned_laws, log_laws
from bayes_guided.priors.unit_values import per_unit, probabilities_per_unit, scaled_guidance


@dataclass(frozen=True)
class IndependentLaw(GroupLaw):
    """Independent units with inclusion log odds `logits`."""

    logits: Float[Tensor, "units"]

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """Sum of log probabilities of the units."""
        return torch.where(masks, logsigmoid(self.logits), logsigmoid(-self.logits)).sum(dim=1)

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """Independent draws."""
        uniform = torch.rand(n, len(self.logits), dtype=torch.float64, generator=generator)
        return uniform < torch.sigmoid(self.logits)

    def survival(self) -> Float[Tensor, "units"]:
        """sigma(-c_u)."""
        return torch.sigmoid(self.logits)

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """Poisson-binomial law (P15)."""
        return torch.from_numpy(log_poisson_binomial(self.logits.numpy()))

    def entropy(self) -> float:
        """Sum of binary entropies."""
        p = torch.sigmoid(self.logits)
        return float(-(p * logsigmoid(self.logits) + (1 - p) * logsigmoid(-self.logits)).sum())

    def ranked(self) -> Iterator[tuple[float, Bool[Tensor, "units"]]]:
        """The mode, then flips of the units with the smallest |log odds| (P15)."""
        mode = self.logits > 0
        best = float(logsigmoid(self.logits.abs()).sum())
        for loss, flipped in smallest_subset_sums(self.logits.abs().numpy()):
            mask = mode.clone()
            mask[list(flipped)] = ~mask[list(flipped)]
            yield best - loss, mask


@dataclass(frozen=True, eq=False)
class IndependentInclusion(FactorisedPrior):
    """p(m) proportional to exp(-sum_u c_u m_u), `costs` c_u in nats per group, of any sign.

    P(m_u = 1) = sigma(-c_u). Pyro forms: "enumerated", "relaxed", "straight_through" sites "mask.<group>" in a plate
    "units.<group>"; "joint".

    Raises:
        SurvivalError: if a group's costs are missing, of the wrong shape, or not finite.
    """

    costs: Mapping[str, Float[Tensor, "_"]] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", per_unit(self.architecture, self.costs, "costs"))

    @classmethod
    def from_guidance(cls, architecture: Architecture, guidance: Guidance, *, strength: float) -> "IndependentInclusion":
        """Costs c_u = strength * g_u: survivals of at most 1/2, falling with the guidance; g_u = 0 is protected.

        Raises:
            StrengthError: if the strength is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        costs, protected = scaled_guidance(architecture, guidance, strength)
        return cls(architecture, costs, protected=protected)

    @classmethod
    def from_survival(cls, architecture: Architecture, survival: Mapping[str, Float[Tensor, "_"]]) -> "IndependentInclusion":
        """Costs from the wanted survivals: c_u = -logit(pi_u) (P14).

        Raises:
            SurvivalError: if a survival is not strictly between 0 and 1.
        """
        mend = "Protect units that must stay (guidance 0); remove those that must go."
        values = probabilities_per_unit(architecture, survival, "survivals", mend)
        return cls(architecture, {name: -torch.logit(value) for name, value in values.items()})

    @classmethod
    def from_mean_width(
        cls,
        architecture: Architecture,
        mean_width: Mapping[str, float],
        *,
        guidance: Guidance | None = None,
        strength: float | None = None,
    ) -> "IndependentInclusion":
        """Costs under which every group has the wanted mean width, protected units counted (P14).

        Without `strength`, one strength per group is solved for, c_u = s g_u, which attains protected < mean <
        protected + guided / 2. With `strength`, one offset per group is solved for, c_u = strength * g_u + a, which
        attains any mean between protected and all. Guidance is constant by default.

        Raises:
            WidthLawError: if a group's mean is missing or cannot be attained.
            StrengthError: if `strength` is given and is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        guided, protected = scaled_guidance(architecture, guidance or constant(), strength or 1.0)
        costs = {
            name: costs_of_mean_width(name, values, protected[name], mean_width, offset=strength is not None)
            for name, values in guided.items()
        }
        return cls(architecture, costs, protected=protected)

    @classmethod
    def from_width_law(
        cls, architecture: Architecture, laws: WidthLaw | Mapping[str, WidthLaw | Float[Tensor, "_"]]
    ) -> "IndependentInclusion":
        """Costs under which every group has the wanted law of widths; earlier units survive more often.

        Few laws can be had: those whose generating function has real roots only (P14).

        Raises:
            UnattainableLawError: if independent units cannot have the law; it holds the nearest that they can.
            WidthLawError: if a law is no law over the group's widths.
            ExactLimitError: for groups too large to decide (`attainable.MAX_UNITS`).
        """
        wanted = log_laws(GuidedUnits(architecture, None), laws)
        return cls(architecture, {n: -torch.logit(survivals_of_width_law(n, law)) for n, law in wanted.items()})

    def _group_law(self, group: str) -> GroupLaw:
        return IndependentLaw(-self.units.select_values(self.costs)[group])

    def _log_size_law(self) -> Float[Tensor, "sizes"]:
        logits = torch.cat([-costs for costs in self.units.select_values(self.costs).values()])
        return torch.from_numpy(log_poisson_binomial(logits.numpy()))

    def _condition(self, minimums: dict[str, int]) -> TiltedWidth:
        laws = conditioned_laws(self.units, {name: self.log_width_pmf(name).cpu() for name in minimums}, minimums)
        return TiltedWidth(self.architecture, laws, self.costs, protected=self.protected, device=self.device)

    def _forms(self) -> dict[Form, SampleSites]:
        return forms_of_units(self._joint_form, self._sites)

    def _sites(self, form: Form, temperature: float) -> dict[str, Tensor]:
        result = {}
        for name, costs in self.units.select_values(self.costs).items():
            logits = -costs.to(self.device, torch.get_default_dtype())
            with pyro.plate(f"units.{name}", len(logits)):
                result[name] = unit_site(f"mask.{name}", logits, form, temperature)
        return result
