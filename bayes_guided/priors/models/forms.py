"""Masks as Pyro sample sites."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import pyro
import torch
from jaxtyping import Float
from pyro.distributions import (
    RelaxedBernoulliStraightThrough,
    TorchDistribution,
    constraints,
)
from pyro.distributions.torch import Bernoulli, RelaxedBernoulli  # pyright: ignore[reportAttributeAccessIssue]
from torch import Tensor

from bayes_guided.exceptions import UnsupportedFormError
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.types import Masks

Form = Literal["joint", "enumerated", "relaxed", "straight_through"]
SampleSites = Callable[[float], dict[str, Tensor]]
"""A function that samples Pyro sites at a temperature and returns values in [0, 1], (..., guided) per group."""


class MaskDistribution(TorchDistribution):
    """A model prior over one vector of 0 and 1, (units,): the guided units of all groups in network order."""

    arg_constraints: ClassVar = {}  # pyright: ignore
    has_rsample = False

    def __init__(
        self,
        units: GuidedUnits,
        log_prob_masks: Callable[[Masks], Float[Tensor, "samples"]],
        sample_masks: Callable[[int, torch.Generator | None], dict[str, Tensor]],
        device: torch.device,
    ) -> None:
        self._units, self._device = units, device
        self._log_prob_masks, self._sample_masks = log_prob_masks, sample_masks
        super().__init__(torch.Size(), torch.Size([units.total]), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Vectors of 0 and 1."""
        return constraints.independent(constraints.boolean, 1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*samples units"]:
        """Vectors of 0 and 1, sample_shape + (units,), drawn with torch's global generator."""
        shape = torch.Size(sample_shape)
        masks = torch.cat(list(self._sample_masks(shape.numel(), None).values()), dim=1)
        return masks.to(self._device, torch.get_default_dtype()).reshape(*shape, self._units.total)

    def log_prob(self, value: Float[Tensor, "*samples units"]) -> Float[Tensor, "*samples"]:
        """Log probabilities, nats."""
        flat = value.detach().cpu().reshape(-1, self._units.total).bool()
        parts = dict(zip(self._units.names, flat.split(list(self._units.sizes.values()), dim=1), strict=True))
        return self._log_prob_masks(parts).reshape(value.shape[:-1]).to(value)


def forms_of_units(joint: SampleSites, sites: Callable[[Form, float], dict[str, Tensor]]) -> dict[Form, SampleSites]:
    """All forms of a prior with one site per unit, `sites` at a form and a temperature, besides the joint one."""
    return {
        "joint": joint,
        "enumerated": lambda temperature: sites("enumerated", temperature),
        "relaxed": lambda temperature: sites("relaxed", temperature),
        "straight_through": lambda temperature: sites("straight_through", temperature),
    }


def unit_site(
    name: str, logits: Float[Tensor, "*batch units"], form: Form, temperature: float
) -> Float[Tensor, "*expanded units"]:
    """One site of independent units with these log odds, for use inside a plate over them."""
    if form == "enumerated":
        value = pyro.sample(name, Bernoulli(logits=logits), infer={"enumerate": "parallel"})
        # Enumerated values come as (2, 1): the same two values for every unit of the plate.
        return value.expand(torch.broadcast_shapes(value.shape, logits.shape))
    relaxed = RelaxedBernoulli if form == "relaxed" else RelaxedBernoulliStraightThrough
    return pyro.sample(name, relaxed(logits.new_tensor(temperature), logits=logits))


def sample_jointly(distribution: MaskDistribution, units: GuidedUnits) -> dict[str, Tensor]:
    """The site "masks", split into groups."""
    value = pyro.sample("masks", distribution)
    return dict(zip(units.names, value.split(list(units.sizes.values()), dim=-1), strict=True))


def require_form(prior: str, form: str, supported: Sequence[str]) -> None:
    """Refuses a form that a prior does not support.

    Raises:
        UnsupportedFormError: if it is not among `supported`.
    """
    if form not in supported:
        raise UnsupportedFormError(f'{prior} has no form "{form}"; it has {", ".join(supported)}.')
