"""Laws of the number of units present, per group and in all, of a law over models or of draws from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors.models.frequencies import simulated_laws
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.types import UnitValues


@dataclass(frozen=True, eq=False)
class WidthLaws:
    """Probabilities of 0, 1, ..., U units per group, (U + 1,), and of 0, 1, ... units in all groups; `note` if estimated."""

    widths: Mapping[str, Float[Tensor, "_"]]
    size: Float[Tensor, "_"]
    note: str = ""


@dataclass(frozen=True, eq=False)
class PriorLaws:
    """What a prior over models says before the data: survival per unit (fraction), laws of widths."""

    survival: UnitValues
    laws: WidthLaws


def prior_laws(models: ModelPrior, generator: torch.Generator) -> PriorLaws:
    """Exact where the prior has an exact method at this size, else estimated, which the laws' note says.

    Raises:
        ExactLimitError: if the prior can neither be summed over nor drawn from at this size.
    """
    try:
        return PriorLaws(_on_cpu(models.unit_survival()), laws_of_models(models))
    except ExactLimitError as refusal:
        found, how = simulated_laws(models, generator)
        survival = {name: estimate.value for name, estimate in found.unit_survival.items()}
        widths = {name: estimate.value for name, estimate in found.width_pmf.items()}
        return PriorLaws(survival, WidthLaws(widths, found.size_pmf.value, f"prior laws {how}: {refusal}"))


def laws_of_models(models: ModelPrior) -> WidthLaws:
    """The exact laws of a distribution over models.

    Raises:
        ExactLimitError: if there is no exact method at this size.
    """
    widths = {group.name: models.width_pmf(group.name) for group in models.architecture.groups}
    return WidthLaws(_on_cpu(widths), models.size_pmf().cpu())


def laws_of_draws(masks: Mapping[str, Bool[Tensor, "draws _"]]) -> WidthLaws:
    """Frequencies in joint draws: right however units depend on one another (P15)."""
    counts = {name: mask.sum(dim=1) for name, mask in masks.items()}
    widths = {name: _frequencies(count, masks[name].shape[1]) for name, count in counts.items()}
    units = sum(mask.shape[1] for mask in masks.values())
    return WidthLaws(widths, _frequencies(torch.stack(list(counts.values())).sum(dim=0), units))


def _frequencies(counts: Tensor, most: int) -> Float[Tensor, "_"]:
    return torch.bincount(counts, minlength=most + 1).double() / len(counts)


def _on_cpu(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double().cpu() for name, value in values.items()}
