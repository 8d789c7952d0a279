"""What every prior over models can do: a distribution over the masks of an architecture."""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.architecture import Architecture, SubArchitecture
from bayes_guided.arguments import require_instance, whole_number
from bayes_guided.exceptions import ArchitectureMismatchError, WidthLawError
from bayes_guided.priors.models.forms import Form, MaskDistribution, SampleSites, require_form, sample_jointly
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.types import Masks

Prior = TypeVar("Prior", bound="ModelPrior")
CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class ModelPrior(ABC):
    """A prior p(m) over the sub-architectures of `architecture`.

    Units that are `protected` (True in the masks given per group; none by default) are present in every model and outside
    p(m): their survival is exactly 1, they add nothing to log probabilities and entropies, and a mask without one has log
    probability -inf. Widths and sizes count them. All computing is float64 on the CPU; results go to `device`.
    Log probabilities and entropies are in nats.
    """

    architecture: Architecture
    protected: Masks | None = field(default=None, kw_only=True, repr=False)
    device: torch.device = field(default=CPU, kw_only=True)

    def log_prob(self, sub: SubArchitecture) -> Float[Tensor, ""]:
        """Log probability of one model, nats.

        Raises:
            ArchitectureMismatchError: if the model belongs to another architecture.
            ConfigError: if it is no SubArchitecture.
        """
        require_instance("sub", sub, SubArchitecture, "a SubArchitecture, as architecture.sub_architecture(masks) makes it")
        if sub.architecture.fingerprint != self.architecture.fingerprint:
            raise ArchitectureMismatchError(
                "the sub-architecture belongs to another architecture than the prior; take it from the prior's own "
                "`architecture`."
            )
        return self.log_prob_masks({name: mask[None] for name, mask in sub.masks.items()})[0]

    def log_prob_masks(self, masks: Mapping[str, Bool[Tensor, "samples _"]]) -> Float[Tensor, "samples"]:
        """Log probabilities of many models given as masks, one (samples, units) tensor for every group; nats.

        Raises:
            MaskError: if a group is missing or unknown, or a mask is not boolean or of the wrong shape.
        """
        guided, complete = self.units.select(masks)
        return torch.where(complete, self._log_prob(guided), -torch.inf).to(self.device)

    def sample(self, n: int, generator: torch.Generator | None = None) -> dict[str, Bool[Tensor, "samples _"]]:
        """`n` models drawn independently, as a (n, units) mask per group; `generator` lives on the CPU.

        Raises:
            ConfigError: if n is not a positive whole number.
        """
        whole_number("n", n)
        masks = self.units.complete_masks(self._sample(n, generator))
        return {name: mask.to(self.device) for name, mask in masks.items()}

    def unit_survival(self) -> dict[str, Float[Tensor, "_"]]:
        """P(m_u = 1) of every unit, (units,) per group: the `inclusion` reading."""
        values = self.units.complete_values(self._survival(), 1.0)
        return {name: value.to(self.device) for name, value in values.items()}

    def width_pmf(self, group: str) -> Float[Tensor, "widths"]:
        """Probabilities that 0, 1, ..., U units of `group` are present, (U + 1,).

        Raises:
            ProtectedGroupError: if there is no such group.
        """
        return self.log_width_pmf(group).exp()

    def log_width_pmf(self, group: str) -> Float[Tensor, "widths"]:
        """Logarithm of `width_pmf`, which keeps probabilities below 1e-308; nats."""
        self.architecture.group(group)
        return self.units.complete_width_law(group, self._log_width_law(group)).to(self.device)

    def size_pmf(self) -> Float[Tensor, "sizes"]:
        """Probabilities of the number of units present in all groups together, 0 to `architecture.num_units`."""
        return self.log_size_pmf().exp()

    def log_size_pmf(self) -> Float[Tensor, "sizes"]:
        """Logarithm of `size_pmf`, which keeps probabilities below 1e-308; nats."""
        return self.units.complete_size_law(self._log_size_law()).to(self.device)

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy of p(m), nats."""
        return torch.tensor(self._entropy(), dtype=torch.float64, device=self.device)

    def mode(self) -> SubArchitecture:
        """A model of largest probability; it may leave a group empty unless the prior was conditioned."""
        return self.most_probable(1)[0][0]

    def most_probable(self, k: int) -> list[tuple[SubArchitecture, float]]:
        """The `k` most probable models with their log probabilities (nats), in descending order.

        Fewer where fewer have positive probability. The order among equally probable models is arbitrary.

        Raises:
            ConfigError: if k is not a positive whole number.
        """
        whole_number("k", k)
        return [(SubArchitecture(self.architecture, masks), value) for value, masks in islice(self._ranked(), k)]

    def condition(self, *, min_width: int | Mapping[str, int]) -> "ModelPrior":
        """This prior given that every group has at least `min_width` units (or the groups named have).

        Conditioning is exact. It adds to conditions made before.

        Raises:
            WidthLawError: if a minimum is not whole, negative, above the group's size, or has probability 0.
            ProtectedGroupError: if a group does not exist.
        """
        if isinstance(min_width, Mapping):
            for name in min_width:
                self.architecture.group(name)
        minimums = {}
        for group in self.architecture.groups:
            wanted = min_width.get(group.name, 0) if isinstance(min_width, Mapping) else min_width
            if not isinstance(wanted, numbers.Integral) or not 0 <= wanted <= group.size:
                raise WidthLawError(f"min_width={wanted} for group '{group.name}', which has {group.size} units.")
            minimums[group.name] = max(0, wanted - self.units.num_protected(group.name))
        return self._condition(minimums)

    def to(self: Prior, device: torch.device | str) -> Prior:
        """The same prior with its results on `device`."""
        return replace(self, device=torch.device(device))

    def pyro_masks(self, form: Form = "joint", *, temperature: float = 0.5) -> dict[str, Float[Tensor, "*batch _"]]:
        """Samples the model's masks as Pyro sites; (units,) per group, 0 and 1 or, if relaxed, between.

        `form` is one of `supported_forms`: "joint" is one exact site "masks" without gradient; "enumerated" sites can be
        summed out by `TraceEnum_ELBO`; "relaxed" and "straight_through" have gradients, at a `temperature`.

        Raises:
            UnsupportedFormError: if this prior has no such form.
        """
        require_form(type(self).__name__, form, self.supported_forms)
        return self.units.complete_values(self._forms()[form](temperature), 1.0)

    @property
    def supported_forms(self) -> tuple[Form, ...]:
        """The Pyro forms that `pyro_masks` offers."""
        return tuple(self._forms())

    def distribution(self) -> MaskDistribution:
        """p(m) as a Pyro distribution over one vector of 0 and 1: the unprotected units of all groups in order."""
        return MaskDistribution(self.units, self._log_prob, self._sample, self.device)

    @cached_property
    def units(self) -> GuidedUnits:
        """Which units p(m) is about."""
        return GuidedUnits(self.architecture, self.protected)

    # What a prior provides, for the unprotected units of each group only -------------------------------------------

    @abstractmethod
    def _log_prob(self, masks: Masks) -> Float[Tensor, "samples"]:
        """Log probabilities of masks (samples, guided) per group."""

    @abstractmethod
    def _sample(self, n: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        """Masks (n, guided) per group."""

    @abstractmethod
    def _survival(self) -> dict[str, Tensor]:
        """P(m_u = 1), (guided,) per group."""

    @abstractmethod
    def _log_width_law(self, group: str) -> Float[Tensor, "widths"]:
        """Log law of the group's number of present guided units, (guided + 1,)."""

    @abstractmethod
    def _log_size_law(self) -> Float[Tensor, "sizes"]:
        """Log law of the number of present guided units in all groups."""

    @abstractmethod
    def _entropy(self) -> float:
        """Entropy, nats."""

    @abstractmethod
    def _ranked(self) -> Iterator[tuple[float, dict[str, Tensor]]]:
        """Log probability and full masks (units,) per group of every model, most probable first."""

    @abstractmethod
    def _condition(self, minimums: dict[str, int]) -> "ModelPrior":
        """The prior given at least these numbers of guided units per group."""

    @abstractmethod
    def _forms(self) -> dict[Form, SampleSites]:
        """For each Pyro form, a function of the temperature that samples its sites: (..., guided) per group."""

    def _joint_form(self, temperature: float) -> dict[str, Tensor]:
        """The one site "masks": exact, so the temperature has no say."""
        del temperature
        return sample_jointly(self.distribution(), self.units)
