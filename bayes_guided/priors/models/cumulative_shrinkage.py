"""Cumulative shrinkage: later units are shrunk more, by sticks that are broken off one after the other (P12)."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyro
import torch
from jaxtyping import Bool, Float
from pyro.distributions.torch import Beta
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ExactLimitError, SurvivalError
from bayes_guided.guidance import Guidance, constant
from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.models.factorised import FactorisedPrior
from bayes_guided.priors.models.forms import Form, SampleSites, forms_of_units, unit_site
from bayes_guided.priors.models.group_law import GroupLaw, law_entropy, nested_masks
from bayes_guided.priors.models.mean_width import increments_of_mean_width
from bayes_guided.priors.models.stick_breaking import log_count_law, log_mask_probability
from bayes_guided.priors.unit_values import increments_of_survival, per_unit, scaled_guidance

MAX_ENTROPY_UNITS = 16
"""Units per group up to which the entropy is summed over all masks."""

MAX_LAW_UNITS = 512
"""Units per group up to which the law of widths and the most probable masks are computed: O(units^3)."""

MAX_CONDITIONED_COST = 2**24
"""(minimum width + 1) * units^2 up to which survivals given a minimum width are computed."""

LEAST_ACCEPTANCE = 1e-4
"""P(width >= minimum) down to which conditioned masks are drawn, by rejection."""


@dataclass(frozen=True, eq=False)
class ShrunkUnits(GroupLaw):
    """Units with stick concentrations alpha_u, given at least `minimum` present."""

    concentrations: Float[Tensor, "units"]
    minimum: int

    @property
    def _units(self) -> int:
        return len(self.concentrations)

    @cached_property
    def _log_allowed(self) -> float:
        """log P(width >= minimum)."""
        if self.minimum == 0:
            return 0.0
        self._require_cheap()
        return float(log_count_law(self.concentrations, self.minimum)[-1])

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """Exact, with the sticks integrated out."""
        values = log_mask_probability(self.concentrations, masks) - self._log_allowed
        return torch.where(masks.sum(dim=1) >= self.minimum, values, -torch.inf)

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """Sticks, then units; masks below the minimum are drawn again."""
        if self._log_allowed < torch.tensor(LEAST_ACCEPTANCE).log():
            raise ExactLimitError(
                f"P(width >= {self.minimum}) is e^{self._log_allowed:.1f}: conditioned masks are drawn by rejection, for "
                f"probabilities of {LEAST_ACCEPTANCE} or more. Lower the minimum or the strength, or use NestedWidth."
            )
        kept = [self._draw(n, generator)]
        while (missing := n - sum(map(len, kept))) > 0:
            kept.append(self._draw(missing, generator))
        return torch.cat(kept)

    def survival(self) -> Float[Tensor, "units"]:
        """E S_u = prod_{l <= u} alpha_l / (1 + alpha_l); given a minimum, a derivative of log P(width >= minimum)."""
        if self.minimum == 0:
            return torch.exp(-torch.log1p(1 / self.concentrations).cumsum(0))
        self._require_cheap()
        with torch.enable_grad():
            weights = torch.zeros(self._units, dtype=torch.float64, requires_grad=True)
            allowed = log_count_law(self.concentrations, self.minimum, weights)[-1]
            return torch.autograd.grad(allowed, weights)[0]

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """Exact law of the width, O(units^3)."""
        return self._log_widths

    @cached_property
    def _log_widths(self) -> Float[Tensor, "widths"]:
        self._require_law()
        law = log_count_law(self.concentrations, self._units)
        possible = torch.arange(self._units + 1) >= self.minimum
        return torch.where(possible, law - self._log_allowed, -torch.inf)

    def entropy(self) -> float:
        """Sum over all masks."""
        if self._units > MAX_ENTROPY_UNITS:
            raise ExactLimitError(
                f"the entropy of cumulative shrinkage is summed over all masks, for up to {MAX_ENTROPY_UNITS} units a group; "
                f"this one has {self._units}. Use entropy_estimate(samples), which reports its error."
            )
        codes = torch.arange(2**self._units)
        masks = (codes[:, None] >> torch.arange(self._units)) % 2 == 1
        return law_entropy(self.log_prob(masks))

    def ranked(self) -> Iterator[tuple[float, Bool[Tensor, "units"]]]:
        """Most probable masks, best first.

        As S_u falls with u on every path, moving a present unit to a later free place never raises the probability; every
        mask arises from the nested mask of its width by such moves.
        """
        self._require_law()
        heap: list[tuple[float, bytes, Tensor]] = []
        seen: set[bytes] = set()
        self._push(heap, seen, nested_masks(torch.arange(self.minimum, self._units + 1), self._units))
        while heap:
            negative, _, mask = heapq.heappop(heap)
            yield -negative, mask
            self._push(heap, seen, _moved_later(mask))

    def _push(self, heap: list[tuple[float, bytes, Tensor]], seen: set[bytes], masks: Bool[Tensor, "_ units"]) -> None:
        keys = [mask.numpy().tobytes() for mask in masks]
        fresh = [place for place, key in enumerate(keys) if key not in seen]
        seen.update(keys)
        if fresh:
            for place, value in zip(fresh, self.log_prob(masks[fresh]).tolist(), strict=True):
                heapq.heappush(heap, (-value, keys[place], masks[place]))

    def _draw(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "_ units"]:
        # 1 - v = uniform^(1 / alpha) is Beta(alpha, 1).
        uniform = torch.rand(2, n, self._units, dtype=torch.float64, generator=generator)
        remaining = (uniform[0].log() / self.concentrations).cumsum(dim=1)
        masks = uniform[1].log() < remaining
        return masks[masks.sum(dim=1) >= self.minimum]

    def _require_law(self) -> None:
        if self._units > MAX_LAW_UNITS:
            raise ExactLimitError(
                "widths and most probable masks of cumulative shrinkage are computed for up to "
                f"{MAX_LAW_UNITS} units a group; this one has {self._units}. Use sample, or NestedWidth with the same "
                "guidance, which has the same survivals."
            )

    def _require_cheap(self) -> None:
        if (self.minimum + 1) * self._units**2 > MAX_CONDITIONED_COST:
            raise ExactLimitError(
                f"conditioning {self._units} units on a width of {self.minimum} or more is too large for cumulative shrinkage "
                f"((minimum + 1) * units^2 above {MAX_CONDITIONED_COST}); use NestedWidth with the same guidance."
            )


@dataclass(frozen=True, eq=False)
class CumulativeShrinkage(FactorisedPrior):
    """Unit u is present with probability S_u = prod_{l <= u} (1 - v_l), independently given the sticks v_l ~ Beta(1, alpha_l).

    `increments` are -log E(1 - v_u) = log(1 + 1 / alpha_u) > 0 per group, so P(m_u = 1) = exp(-sum_{l <= u} increments_l).
    The sticks are integrated out: `log_prob` is the exact joint probability of a mask, in O(units^2). Units of a group are
    positively correlated: the variance of the width lies between those of independent and of nested units with the same
    survivals (P12). Protected units take no stick. `minimum_widths` restrict the models (guided units per group).

    Limits, each with a refusal that says what to use: entropy up to 16 units a group, law of widths and most probable
    models up to 512. Pyro forms: "enumerated", "relaxed", "straight_through" sites "mask.<group>" given Beta sites
    "stick.<group>" (not once conditioned); "joint".

    Raises:
        SurvivalError: if increments are missing, of the wrong shape, not finite, or not positive.
    """

    increments: Mapping[str, Float[Tensor, "_"]] = field(repr=False)
    minimum_widths: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        values = per_unit(self.architecture, self.increments, "increments")
        for name, value in self.units.select_values(values).items():
            if not bool((value > 0).all()):
                raise SurvivalError(
                    f"an increment of group '{name}' is 0 or less, so its stick has no length; protect units that must stay."
                )
        object.__setattr__(self, "increments", values)

    @classmethod
    def from_guidance(cls, architecture: Architecture, guidance: Guidance, *, strength: float) -> "CumulativeShrinkage":
        """Increments strength * g_u: survivals as under `NestedWidth.from_guidance`, other masks possible. g_u = 0 protects.

        Raises:
            StrengthError: if the strength is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        increments, protected = scaled_guidance(architecture, guidance, strength)
        return cls(architecture, increments, protected=protected)

    @classmethod
    def from_concentration(cls, architecture: Architecture, alpha: float) -> "CumulativeShrinkage":
        """Equal sticks Beta(1, alpha): about alpha units expected in a wide group.

        Raises:
            SurvivalError: if alpha is not positive and finite.
        """
        if not 0 < alpha < float("inf"):
            raise SurvivalError(f"a concentration of {alpha} is not positive and finite.")
        step = torch.log1p(1 / torch.tensor(alpha, dtype=torch.float64))
        return cls(architecture, {group.name: step.repeat(group.size) for group in architecture.groups})

    @classmethod
    def from_survival(cls, architecture: Architecture, survival: Mapping[str, Float[Tensor, "_"]]) -> "CumulativeShrinkage":
        """From the wanted survivals, which fall along each group: increments log S(u - 1) / S(u) (P12).

        Raises:
            SurvivalError: if a survival is not strictly between 0 and 1, or not below that of the unit before.
        """
        return cls(architecture, increments_of_survival(architecture, survival, strict=True))

    @classmethod
    def from_mean_width(
        cls, architecture: Architecture, mean_width: Mapping[str, float], *, guidance: Guidance | None = None
    ) -> "CumulativeShrinkage":
        """Increments s * g_u, at the strength s per group under which the mean width is the wanted one (P12, P14).

        Survivals are those of `NestedWidth.from_mean_width`. Guidance is constant by default: equal sticks.

        Raises:
            WidthLawError: if a group's mean is missing, or not between the protected units and all units.
            GuidanceError: as `guidance.coefficients`.
        """
        increments, protected = increments_of_mean_width(architecture, guidance or constant(), mean_width)
        return cls(architecture, increments, protected=protected)

    def entropy_estimate(self, samples: int, generator: torch.Generator | None = None) -> Estimate:
        """Entropy, nats, as the mean of -log_prob over draws, for any number of units; with its standard error."""
        values = -self.log_prob_masks(self.sample(samples, generator))
        return Estimate(values.mean(), values.std() / samples**0.5)

    def _concentrations(self, group: str) -> Float[Tensor, "units"]:
        return 1 / torch.expm1(self.units.select_values(self.increments)[group])

    def _group_law(self, group: str) -> GroupLaw:
        return ShrunkUnits(self._concentrations(group), self.minimum_widths.get(group, 0))

    def _condition(self, minimums: dict[str, int]) -> "CumulativeShrinkage":
        merged = {name: max(value, self.minimum_widths.get(name, 0)) for name, value in minimums.items()}
        return replace(self, minimum_widths=merged)

    def _forms(self) -> dict[Form, SampleSites]:
        if any(self.minimum_widths.values()):
            return {"joint": self._joint_form}
        return forms_of_units(self._joint_form, self._sites)

    def _sites(self, form: Form, temperature: float) -> dict[str, Tensor]:
        result = {}
        for name in self.units.names:
            alpha = self._concentrations(name).to(self.device, torch.get_default_dtype())
            with pyro.plate(f"units.{name}", len(alpha)):
                stick = pyro.sample(f"stick.{name}", Beta(torch.ones_like(alpha), alpha))
                tiny = torch.finfo(alpha.dtype).eps
                remaining = (1 - stick).cumprod(dim=-1).clamp(tiny, 1 - tiny)
                result[name] = unit_site(f"mask.{name}", torch.logit(remaining), form, temperature)
        return result


def _moved_later(mask: Bool[Tensor, "units"]) -> Bool[Tensor, "_ units"]:
    """Every mask in which one present unit is moved to the free place right after it."""
    places = (mask[:-1] & ~mask[1:]).nonzero().flatten()
    masks = mask.repeat(len(places), 1)
    rows = torch.arange(len(places))
    masks[rows, places], masks[rows, places + 1] = False, True
    return masks
