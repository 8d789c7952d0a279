"""The first K units of each group are present: a prior over widths alone (P12)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyro
import torch
from jaxtyping import Bool, Float
from pyro.distributions import Categorical
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.guidance import Guidance, constant
from bayes_guided.priors.models.factorised import FactorisedPrior
from bayes_guided.priors.models.forms import Form, SampleSites, unit_site
from bayes_guided.priors.models.group_law import GroupLaw, law_entropy, nested_masks, sample_counts
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.priors.models.mean_width import increments_of_mean_width
from bayes_guided.priors.models.width_laws import WidthLaw, checked_log_laws, conditioned_laws, log_laws
from bayes_guided.priors.unit_values import increments_of_survival, probabilities_per_unit, scaled_guidance


@dataclass(frozen=True)
class NestedLaw(GroupLaw):
    """The first K units, K with the log law `log_law` (units + 1,)."""

    log_law: Float[Tensor, "widths"]

    @property
    def _units(self) -> int:
        return len(self.log_law) - 1

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """log P(K) of nested masks, -inf for others."""
        widths = masks.sum(dim=1)
        nested = (masks == nested_masks(widths, self._units)).all(dim=1)
        return torch.where(nested, self.log_law[widths], -torch.inf)

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """Draws of the width."""
        return nested_masks(sample_counts(self.log_law, n, generator), self._units)

    def survival(self) -> Float[Tensor, "units"]:
        """S(u) = P(K >= u), exact in the tail."""
        return log_survival(self.log_law).exp().clamp(max=1.0)

    def log_odds(self) -> Float[Tensor, "units"]:
        """log P(K >= u) - log P(K < u), nats, exact in both tails; infinite where a width is impossible."""
        return log_survival(self.log_law) - torch.logcumsumexp(self.log_law, dim=0)[:-1]

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """The law itself."""
        return self.log_law

    def entropy(self) -> float:
        """Entropy of the width."""
        return law_entropy(self.log_law)

    def ranked(self) -> Iterator[tuple[float, Bool[Tensor, "units"]]]:
        """Widths in descending order of probability."""
        for width in torch.argsort(self.log_law, descending=True, stable=True):
            if self.log_law[width] > -torch.inf:
                yield float(self.log_law[width]), nested_masks(width[None], self._units)[0]


@dataclass(frozen=True, eq=False)
class NestedWidth(FactorisedPrior):
    """The first K units of each group are present, groups independent; all other masks have probability 0.

    `log_width_laws` are log weights of K over 0..U (normalised here). Protected units are present besides and counted in K:
    the first K - protected of the others are present, and widths below the number of protected units are impossible.

    Pyro forms: "enumerated": a Categorical site "width.<group>" over the number of unprotected units present. "relaxed",
    "straight_through": sites "continue.<group>" of independent units that go on with P(K >= u | K >= u - 1), whose running
    product is the mask: exact at temperature 0. "joint".

    Raises:
        WidthLawError: if a law is missing, of the wrong length, or cannot be normalised.
    """

    log_width_laws: Mapping[str, Float[Tensor, "_"]] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_width_laws", checked_log_laws(self.units, self.log_width_laws))

    @classmethod
    def from_guidance(cls, architecture: Architecture, guidance: Guidance, *, strength: float) -> "NestedWidth":
        """Guidance as cumulative hazard: P(K >= k) = exp(-strength * sum of g_u over the first k units) (P12).

        Not the same numbers as costs: exp(-sum c_u) conditioned on nestedness is another prior. g_u = 0 is protected.

        Raises:
            StrengthError: if the strength is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        increments, protected = scaled_guidance(architecture, guidance, strength)
        return cls._from_increments(architecture, increments, protected)

    @classmethod
    def from_hazard(cls, architecture: Architecture, hazard: Mapping[str, Float[Tensor, "_"]]) -> "NestedWidth":
        """From the hazards P(K = u - 1 | K >= u - 1) of units u = 1..U.

        Raises:
            SurvivalError: if a hazard is not in (0, 1).
        """
        mend = "Give laws that exclude some widths to from_law."
        values = probabilities_per_unit(architecture, hazard, "hazards", mend)
        return cls._from_increments(architecture, {name: -torch.log1p(-value) for name, value in values.items()}, None)

    @classmethod
    def from_survival(cls, architecture: Architecture, survival: Mapping[str, Float[Tensor, "_"]]) -> "NestedWidth":
        """From the wanted survivals S(u) = P(K >= u), which do not rise along a group: one law has them (P12).

        Where a unit survives as often as the one before, the width that ends between them has probability 0.

        Raises:
            SurvivalError: if a survival is not strictly between 0 and 1, or above that of the unit before.
        """
        return cls._from_increments(architecture, increments_of_survival(architecture, survival, strict=False), None)

    @classmethod
    def from_mean_width(
        cls, architecture: Architecture, mean_width: Mapping[str, float], *, guidance: Guidance | None = None
    ) -> "NestedWidth":
        """Guidance as cumulative hazard, at the strength per group under which the mean width is the wanted one (P12, P14).

        P(K >= k) = exp(-s * sum of g_u over the first k units), with one s per group. Any mean between the protected units,
        which are counted, and all units is attained. Guidance is constant by default: each further unit costs the same.

        Raises:
            WidthLawError: if a group's mean is missing or cannot be attained.
            GuidanceError: as `guidance.coefficients`.
        """
        increments, protected = increments_of_mean_width(architecture, guidance or constant(), mean_width)
        return cls._from_increments(architecture, increments, protected)

    @classmethod
    def from_law(
        cls, architecture: Architecture, widths: WidthLaw | Mapping[str, WidthLaw | Float[Tensor, "_"]]
    ) -> "NestedWidth":
        """From a law of widths for all groups (such as `width_laws.poisson`), or one for each; tensors are probabilities.

        Raises:
            WidthLawError: if a law is no law over a group's widths.
        """
        return cls(architecture, log_laws(GuidedUnits(architecture, None), widths))

    @classmethod
    def _from_increments(
        cls, architecture: Architecture, increments: Mapping[str, Tensor], protected: Mapping[str, Tensor] | None
    ) -> "NestedWidth":
        units = GuidedUnits(architecture, protected)
        laws = {
            name: units.complete_width_law(name, log_law_of_hazard(values))
            for name, values in units.select_values(increments).items()
        }
        return cls(architecture, laws, protected=protected)

    def _group_law(self, group: str) -> GroupLaw:
        return NestedLaw(self._guided_law(group))

    def _guided_law(self, group: str) -> Float[Tensor, "widths"]:
        return self.log_width_laws[group][self.units.num_protected(group) :]

    def _condition(self, minimums: dict[str, int]) -> "NestedWidth":
        return replace(self, log_width_laws=conditioned_laws(self.units, self.log_width_laws, minimums))

    def _forms(self) -> dict[Form, SampleSites]:
        return {
            "joint": self._joint_form,
            "enumerated": self._width_sites,
            "relaxed": lambda temperature: self._continue_sites("relaxed", temperature),
            "straight_through": lambda temperature: self._continue_sites("straight_through", temperature),
        }

    def _width_sites(self, temperature: float) -> dict[str, Tensor]:
        del temperature
        result = {}
        for name in self.units.names:
            logits = self._guided_law(name).to(self.device, torch.get_default_dtype())
            width = pyro.sample(f"width.{name}", Categorical(logits=logits), infer={"enumerate": "parallel"})
            mask = torch.arange(len(logits) - 1, device=self.device) < width[..., None]
            result[name] = mask.to(logits.dtype)
        return result

    def _continue_sites(self, form: Form, temperature: float) -> dict[str, Tensor]:
        result = {}
        for name in self.units.names:
            tails = torch.cat([torch.zeros(1, dtype=torch.float64), log_survival(self._guided_law(name))])
            logits = continue_logits(tails).to(self.device, torch.get_default_dtype())
            with pyro.plate(f"units.{name}", len(logits)):
                result[name] = unit_site(f"continue.{name}", logits, form, temperature).cumprod(dim=-1)
        return result


def log_law_of_hazard(increments: Float[Tensor, "units"]) -> Float[Tensor, "widths"]:
    """log P(K = k), k = 0..U, from cumulative hazard increments gamma_u = log S(u - 1) / S(u) (P12)."""
    cumulative = torch.cat([increments.new_zeros(1), increments.cumsum(0)])
    stopped = torch.cat([torch.log(-torch.expm1(-increments)), increments.new_zeros(1)])
    return stopped - cumulative


def log_survival(log_law: Float[Tensor, "widths"]) -> Float[Tensor, "units"]:
    """log P(K >= u) for u = 1..U, summed from the far end so that small tails stay exact."""
    return torch.logcumsumexp(log_law.flip(0), dim=0).flip(0)[1:]


def continue_logits(log_tails: Float[Tensor, "_"]) -> Float[Tensor, "units"]:
    """Log odds of P(K >= u | K >= u - 1), in +-50 where certain or where u - 1 is impossible already."""
    step = (log_tails[1:] - log_tails[:-1]).nan_to_num(nan=-torch.inf, neginf=-torch.inf).clamp(max=0.0)
    return (step - torch.log(-torch.expm1(step))).clamp(-50.0, 50.0)
