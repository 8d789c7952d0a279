"""Everything that a prior over models says, at a glance: exact where it can be, estimated or declined where it cannot."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.models.count_law import CountLaw
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.frequencies import simulated_laws
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.width_sampler import WidthEstimates

T = TypeVar("T")

ENTROPY_DRAWS = 400
"""Independent draws from which an entropy is estimated, fewer in wide groups: each takes time in units^2."""

FEWEST_DRAWS = 30
"""Draws below which an estimate and its standard error are not worth giving."""

MAX_ENTROPY_PAIRS = 4 * 10**8
"""Draws times pairs of units up to which an entropy is estimated, about ten seconds."""


@dataclass(frozen=True, eq=False)
class Answer(Generic[T]):
    """A quantity, or None where no method gives it.

    `error` is the largest standard error in the value, in the value's unit: 0 where it is exact. `note` is empty where the
    value is exact; else it says how it was estimated, or why there is none.
    """

    value: T | None
    error: float = 0.0
    note: str = ""


@dataclass(frozen=True, eq=False)
class PriorOverview:
    """What `overview` found.

    `unit_survival` holds P(m_u = 1), a fraction, (units,) per group; `width_laws` the law of each group's width and
    `size_law` that of the number of units in all groups; `entropy` is in nats; `most_probable` lists models and their log
    probabilities (nats) in descending order, equally probable ones in arbitrary order.
    """

    unit_survival: Answer[dict[str, Float[Tensor, "_"]]]
    width_laws: dict[str, Answer[CountLaw]]
    size_law: Answer[CountLaw]
    entropy: Answer[float]
    most_probable: Answer[list[tuple[SubArchitecture, float]]]


def overview(prior: ModelPrior, *, models: int = 10, generator: torch.Generator | None = None) -> PriorOverview:
    """Survivals, laws of widths and size, entropy, and the `models` most probable models of a prior.

    What is too large for an exact method is estimated, from independent draws or Markov chains with `generator`, and
    otherwise left out; each answer says so.

    Raises:
        ValueError: if `models` is not positive.
        ComplexityError: if a user's complexity is not finite.
    """
    simulated = _Simulation(prior, generator)
    groups = [group.name for group in prior.architecture.groups]
    return PriorOverview(
        unit_survival=_answer(prior.unit_survival, simulated.survival),
        width_laws={name: _width_law(prior, name, simulated) for name in groups},
        size_law=_answer(lambda: CountLaw(prior.size_pmf()), simulated.size_law),
        entropy=_answer(lambda: float(prior.entropy()), lambda reason: _estimated_entropy(prior, generator, reason)),
        most_probable=_answer(lambda: prior.most_probable(models), lambda reason: Answer(None, note=reason)),
    )


def _answer(exact: Callable[[], T], otherwise: Callable[[str], Answer[T]]) -> Answer[T]:
    """The exact value, or what else there is, given the reason why there is no exact one."""
    try:
        return Answer(exact())
    except ExactLimitError as refusal:
        return otherwise(str(refusal))


def _width_law(prior: ModelPrior, group: str, simulated: "_Simulation") -> Answer[CountLaw]:
    return _answer(lambda: CountLaw(prior.width_pmf(group)), lambda reason: simulated.width_law(group, reason))


@dataclass(frozen=True, eq=False)
class _Simulation:
    """Estimates of a prior's laws, made when the first is asked for."""

    prior: ModelPrior
    generator: torch.Generator | None

    @cached_property
    def _found(self) -> tuple[WidthEstimates, str]:
        return simulated_laws(self.prior, self.generator)

    def survival(self, reason: str) -> Answer[dict[str, Tensor]]:
        """Estimated survivals, or why there are none."""
        return self._or_none(lambda: self._survival(reason))

    def width_law(self, group: str, reason: str) -> Answer[CountLaw]:
        """The estimated law of a group's width, or why there is none."""
        return self._or_none(lambda: self._law(self._found[0].width_pmf[group], reason))

    def size_law(self, reason: str) -> Answer[CountLaw]:
        """The estimated law of the size, or why there is none."""
        return self._or_none(lambda: self._law(self._found[0].size_pmf, reason))

    def _survival(self, reason: str) -> Answer[dict[str, Tensor]]:
        estimates, how = self._found
        values = {name: estimate.value for name, estimate in estimates.unit_survival.items()}
        error = max(float(estimate.standard_error.max()) for estimate in estimates.unit_survival.values())
        return Answer(values, error, f"{how}: {reason}")

    def _law(self, estimate: Estimate, reason: str) -> Answer[CountLaw]:
        return Answer(CountLaw(estimate.value), float(estimate.standard_error.max()), f"{self._found[1]}: {reason}")

    def _or_none(self, estimate: Callable[[], Answer[T]]) -> Answer[T]:
        try:
            return estimate()
        except ExactLimitError as refusal:  # of the draws
            return Answer(None, note=str(refusal))


def _estimated_entropy(prior: ModelPrior, generator: torch.Generator | None, reason: str) -> Answer[float]:
    """Cumulative shrinkage has an estimate where it has no exact entropy; the others' refusals are final."""
    if not isinstance(prior, CumulativeShrinkage):
        return Answer(None, note=reason)
    pairs = sum(group.size**2 for group in prior.architecture.groups)
    draws = min(ENTROPY_DRAWS, MAX_ENTROPY_PAIRS // pairs)
    if draws < FEWEST_DRAWS:
        return Answer(None, note=f"{reason} At these widths {FEWEST_DRAWS} samples of it take minutes, so none were drawn.")
    try:
        found = prior.entropy_estimate(draws, generator)
    except ExactLimitError as refusal:
        return Answer(None, note=str(refusal))
    return Answer(float(found.value), float(found.standard_error), f"estimated from {draws} draws: {reason}")
