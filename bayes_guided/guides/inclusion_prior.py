"""E_q log p(m), and with it KL(q(m) || p(m)), for every family of q and every prior over models."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from bayes_guided.exceptions import ConfigError
from bayes_guided.guides.inclusion_law import Inclusion
from bayes_guided.priors.models.complexity import PairwiseComplexity
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.shared_budget import SharedBudget
from bayes_guided.priors.models.tilted import TiltedLaw, TiltedWidth

MAX_LISTED = 1024
"""Models up to which expectations over q(m) are summed over all of them."""

DRAWS = 32
"""Models drawn per step where the expectation has no closed form."""


class ExpectedLogPrior(ABC):
    """E_q log p(m), nats, differentiable in q; `exact` says whether it is a sum, or a mean over draws."""

    exact: bool

    @abstractmethod
    def __call__(self, inclusion: Inclusion) -> Float[Tensor, ""]:
        """The expectation, or an unbiased estimate with an unbiased gradient."""


@dataclass(frozen=True, eq=False)
class SummedLogPrior(ExpectedLogPrior):
    """log p(m) = constant + sum of weights of present units + a table of each block's width + couplings K_g K_h.

    So the expectation needs q's marginals and width laws only; blocks are independent, so E K_g K_h = E K_g E K_h.
    `weights` and `tables` are per block, `couplings` between groups.
    """

    constant: float
    weights: list[Float[Tensor, "_"]] | None = None
    tables: list[Float[Tensor, "_"]] | None = None
    couplings: Mapping[tuple[str, str], float] = field(default_factory=dict)
    exact: bool = True

    def __call__(self, inclusion: Inclusion) -> Float[Tensor, ""]:
        """Exact."""
        laws = inclusion.blocks()
        device = inclusion.device
        total = torch.tensor(self.constant, dtype=torch.float64, device=device)
        survival = [law.survival() for law in laws] if self.weights or self.couplings else []
        for present, weight in zip(survival, self.weights or [], strict=False):
            total = total + present @ weight.to(device)
        for law, table in zip(laws, self.tables or [], strict=False):
            finite = torch.where(table > -torch.inf, table, 0.0)  # q has no mass where the table has none
            total = total + law.log_width_law().exp() @ finite.to(device)
        for (first, second), coupling in self.couplings.items():
            means = (survival[inclusion.places[name].block].sum() for name in (first, second))
            total = total + coupling * next(means) * next(means)
        return total


@dataclass(frozen=True, eq=False)
class ListedLogPrior(ExpectedLogPrior):
    """A sum over all models that q can draw."""

    models: ModelPrior
    exact: bool = True

    def __call__(self, inclusion: Inclusion) -> Float[Tensor, ""]:
        """Exact."""
        masks = inclusion.every_model()
        values = log_prior(self.models, inclusion, masks)
        return inclusion.log_prob(masks).exp() @ values


@dataclass(frozen=True, eq=False)
class SampledLogPrior(ExpectedLogPrior):
    """The mean over draws; its gradient is the score function's, each draw's baseline the mean of the others."""

    models: ModelPrior
    exact: bool = False

    def __call__(self, inclusion: Inclusion) -> Float[Tensor, ""]:
        """Unbiased, and so is its gradient."""
        masks = inclusion.sample(DRAWS)
        values = log_prior(self.models, inclusion, masks)
        centred = (values - values.mean()) / (DRAWS - 1)  # value minus the others' mean, over the number of draws
        score = centred @ inclusion.log_prob(masks)
        return values.mean() + score - score.detach()


def log_prior(models: ModelPrior, inclusion: Inclusion, masks: list[Tensor]) -> Float[Tensor, "samples"]:
    """log p(m) of masks given per block, nats, on q's device; no gradient.

    Raises:
        ConfigError: if q draws a model that the prior excludes.
    """
    values = models.log_prob_masks(inclusion.complete_masks(masks)).double()
    if not bool(torch.isfinite(values).all()):
        raise ConfigError(
            f"this {type(models).__name__} gives probability 0 to a model that q(m) allows, so their divergence is infinite; "
            "give every model of a possible width a positive probability."
        )
    return values.to(masks[0].device)


def expected_log_prior(inclusion: Inclusion, models: ModelPrior) -> ExpectedLogPrior:
    """E_q log p(m) in the best way there is for this q and this prior.

    In closed form for independent, nested, tilted and shared-budget priors and for complexities that are pairwise in the
    widths; else summed over all models if there are at most MAX_LISTED; else from draws.

    Raises:
        ExactLimitError: if the prior's normaliser cannot be had.
    """
    units = models.units
    if isinstance(models, IndependentInclusion):
        costs = list(units.select_values(models.costs).values())
        return SummedLogPrior(float(sum(logsigmoid(cost).sum() for cost in costs)), weights=[-cost for cost in costs])
    if isinstance(models, NestedWidth):
        laws = [models.log_width_pmf(name).cpu()[units.num_protected(name) :] for name in units.names]
        return SummedLogPrior(0.0, tables=laws)
    if isinstance(models, TiltedWidth | SharedBudget) and len(inclusion.blocks()) == _blocks_of(models):
        return _tilted(models)
    if isinstance(models, GibbsComplexity) and isinstance(models.complexity, PairwiseComplexity):
        return _pairwise(models, models.complexity)
    return ListedLogPrior(models) if inclusion.num_models <= MAX_LISTED else SampledLogPrior(models)


def _blocks_of(models: TiltedWidth | SharedBudget) -> int:
    """Into how many independent blocks the prior falls."""
    if isinstance(models, TiltedWidth):
        return len(models.units.names)
    return 0 if any(models.minimum_widths.values()) else 1


def _tilted(models: TiltedWidth | SharedBudget) -> SummedLogPrior:
    if isinstance(models, SharedBudget):
        blocks = [models.tilted]
    else:
        blocks = [cast(TiltedLaw, law).units for law in models.group_laws.values()]
    constant = float(sum(logsigmoid(-block.logits).sum() for block in blocks))
    return SummedLogPrior(constant, [block.logits for block in blocks], [block.log_size_weight for block in blocks])


def _pairwise(models: GibbsComplexity, complexity: PairwiseComplexity) -> SummedLogPrior:
    tables = [-complexity.own[name] for name in models.units.names]
    couplings = {pair: -value for pair, value in complexity.couplings.items()}
    return SummedLogPrior(-complexity.constant - models.log_normaliser, tables=tables, couplings=couplings)
