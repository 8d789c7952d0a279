"""The tree group lasso: the MAP counterpart of nested priors over widths."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.distributions.base import RowDistribution
from bayes_guided.exceptions import GuidanceError, NoDensityError
from bayes_guided.priors.rows.proximal import TREE, ProxPlan
from bayes_guided.priors.rows.weights import WeightPrior


@dataclass(frozen=True)
class TreeGroupLaplace(WeightPrior):
    """`exp(-sum_k r_k ||rows k to U||_2)`, r = lambda g sqrt(D): zeros are nested, the first K units stay (P12, P22).

    Each unit is pressed by its own guidance and by that of all units before it, so that guidance adds up along the layer as
    a hazard does in a nested prior. The groups overlap, so the normaliser has no closed form (P7): the penalty and its MAP
    can be had, the density cannot. Protected units (guidance 0) must come first.
    """

    def rates(self, guidance: Float[Tensor, "units"], dim: int) -> Float[Tensor, "units"]:
        """`lambda g_k sqrt(D)`, the rate of the group of rows from k on.

        Raises:
            GuidanceError: if a protected unit follows one with guidance: the groups of the units before would press on it.
        """
        guided = guidance > 0
        if bool((guided[:-1] & ~guided[1:]).any()):
            raise GuidanceError(
                "the tree group lasso presses on every unit after one with guidance, so protected units (guidance 0) must "
                "come first in their group; use guidance.step, or another weight prior."
            )
        return self.strength * guidance * dim**0.5

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> RowDistribution:
        """Raises NoDensityError."""
        raise NoDensityError(
            "the tree group lasso's groups overlap, so its normaliser has no closed form (P7): it serves fit_map, not "
            "sampling, SVI or MCMC; the nested prior over models is NestedWidth."
        )

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Nested block soft thresholds from the last row outwards, exact in a metric that the rows share."""
        return ProxPlan(soft=None, radial=(TREE, rates))

    def penalty(self, rows: Float[Tensor, "units row"], rates: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """`r_k ||rows k to U||_2` for every k, in nats."""
        squares = rows.square().sum(dim=1).flip(0).cumsum(0).flip(0)
        # The subgradient at a zero tail is 0; sqrt alone would give NaN.
        some = squares > 0
        return rates * torch.where(some, squares.where(some, torch.ones_like(squares)).sqrt(), torch.zeros_like(squares))
