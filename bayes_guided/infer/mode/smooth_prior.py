"""A guided prior around a MAP: which weights have a smooth log density there, its curvature, and densities at zero."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.analysis.prior_curvature import PenaltyCurvature, penalty_curvature, restricted_log_normalizer
from bayes_guided.distributions.base import HomogeneousRow
from bayes_guided.exceptions import NoMAPError
from bayes_guided.infer.mode.flat_weights import FlatWeights
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows.row_prior import RowPrior
from bayes_guided.priors.rows.weights import GroupLaplace, GroupSqrtLaplace, Laplace, SparseGroupLaplace


@dataclass(frozen=True, eq=False)
class SmoothPrior:
    """The prior at `weights`, all float64 on the CPU, in the layout `flat`.

    The model meant is the one of the weights that are `free`: those that are trained, and not at a kink of the penalty.
    The others are constants; the prior of the free ones is the conditional one given that those at a kink are 0, which is the
    same family at the same rates over fewer weights.

    Raises:
        NoMAPError, NoDensityError: if the weight prior has no MAP or no density.
    """

    prior: GuidedPrior
    flat: FlatWeights
    weights: Float[Tensor, "weights"]
    trained: Bool[Tensor, "weights"]

    @cached_property
    def free(self) -> Bool[Tensor, "weights"]:
        """Weights with a second derivative of the log joint."""
        smooth = torch.ones_like(self.trained)
        for name, row_prior in self.prior.row_priors.items():
            pressed = self.pressed[name]
            smooth[self.flat.rows[name][pressed]] = self._spread(row_prior, self._curvatures[name].smooth)[pressed]
        return smooth & self.trained

    @cached_property
    def pressed(self) -> dict[str, Bool[Tensor, "units row"]]:
        """Where guidance presses, per group; the base prior holds elsewhere."""
        return {name: ~prior.protected[:, None] & prior.columns for name, prior in self.prior.row_priors.items()}

    def penalty(self, weights: Float[Tensor, "weights"]) -> float:
        """The guided regulariser at these weights, nats: minus the log density without its constants."""
        return float(self.prior.penalty(*self.flat.split(weights)))

    def moved(self, weights: Float[Tensor, "weights"]) -> "SmoothPrior":
        """The prior at other weights; a weight or row that would jump over the kink of its penalty stops at it: at 0."""
        weights = weights.clone()
        if isinstance(self.prior.weights, Laplace | SparseGroupLaplace):
            weights[(self.owner >= 0) & (weights * self.weights < 0)] = 0.0
        if isinstance(self.prior.weights, GroupLaplace | SparseGroupLaplace | GroupSqrtLaplace):
            for name in self.prior.row_priors:
                guided, places = self._guided_free(name), self.flat.rows[name]
                along = (torch.where(guided, weights[places] * self.weights[places], 0.0)).sum(dim=1)
                weights[places[guided & (along <= 0)[:, None]]] = 0.0
        return replace(self, weights=weights)

    @cached_property
    def level(self) -> Float[Tensor, "weights"]:
        """The multiple of the identity in the Hessian of minus the log density."""
        level = torch.full((len(self.weights),), 2 * self.prior.rest.strength, dtype=torch.float64)
        for name, curvature in self._curvatures.items():
            level[self.flat.rows[name]] = torch.where(
                self.pressed[name], curvature.level[:, None], 2 * self.prior.rest.strength
            )
        return level

    def directions(self) -> tuple[Float[Tensor, "rows weights"], Float[Tensor, "rows"]]:
        """The directions along which the Hessian is less than its level, over all weights, and by how much."""
        directions, losses = [], []
        for name, curvature in self._curvatures.items():
            units = self._guided_free(name).any(dim=1) & (curvature.loss > 0)
            for unit in units.nonzero()[:, 0].tolist():
                index = self.flat.rows[name][unit][self._guided_free(name)[unit]]
                direction = torch.zeros_like(self.weights)
                direction[index] = self.weights[index]
                directions.append(direction / direction.norm())
                losses.append(curvature.loss[unit])
        if not directions:
            return self.weights.new_zeros(0, len(self.weights)), self.weights.new_zeros(0)
        return torch.stack(directions), torch.stack(losses)

    def log_density(self) -> float:
        """log p(free weights) in nats, normalised."""
        rows, _ = self.flat.split(self.weights)
        total = -self._ridge_penalty(self.free & (self.owner == -1))
        for name, row_prior in self.prior.row_priors.items():
            guided = self._guided_free(name)
            inside = torch.where(guided, rows[name], 0.0)[:, row_prior.columns]
            density = self.density(row_prior)
            penalty = torch.where(guided.any(dim=1), density.penalty(inside), 0.0)
            total -= float(penalty.sum() + self._log_normalizers(row_prior, guided.sum(dim=1)).sum())
        return total

    def log_density_at_zero(self, removed: Int[Tensor, "removed"]) -> float:
        """The log density of these free weights at 0, nats: the others keep their conditional prior given the zeros."""
        total = -float(self._ridge_normalizer(int((self.owner[removed] == -1).sum())))
        start = 0
        for name, row_prior in self.prior.row_priors.items():
            units = len(row_prior.guidance)
            mine = removed[(self.owner[removed] >= start) & (self.owner[removed] < start + units)]
            if len(mine):
                present = self._guided_free(name).sum(dim=1)
                lost = torch.bincount(self.owner[mine] - start, minlength=units)
                touched = lost > 0
                after = self._log_normalizers(row_prior, torch.where(touched, present - lost, 0))
                total += float((after - self._log_normalizers(row_prior, torch.where(touched, present, 0))).sum())
            start += units
        return total

    @cached_property
    def owner(self) -> Int[Tensor, "weights"]:
        """The unit, counted over all groups, whose guided density each weight is under; -1 for the base prior."""
        owner, start = torch.full((len(self.weights),), -1), 0
        for name, pressed in self.pressed.items():
            units = torch.arange(start, start + len(pressed))[:, None].expand_as(pressed)
            owner[self.flat.rows[name][pressed]] = units[pressed]
            start += len(pressed)
        return owner

    @cached_property
    def _curvatures(self) -> dict[str, PenaltyCurvature]:
        rows, _ = self.flat.split(self.weights)
        trained, _ = self.flat.split(self.trained.double())
        found = {}
        for name, row_prior in self.prior.row_priors.items():
            inside = (rows[name] * trained[name])[:, row_prior.columns]
            found[name] = penalty_curvature(self.density(row_prior), inside)
        return found

    def _guided_free(self, name: str) -> Bool[Tensor, "units row"]:
        return self.free[self.flat.rows[name]] & self.pressed[name]

    def _spread(self, row_prior: RowPrior, inside: Bool[Tensor, "units inside"]) -> Bool[Tensor, "units row"]:
        whole = torch.ones(len(inside), len(row_prior.columns), dtype=torch.bool)
        whole[:, row_prior.columns] = inside
        return whole

    def density(self, row_prior: RowPrior) -> HomogeneousRow:
        """The guided density over the penalised columns, batch shape (units,)."""
        density = row_prior.guided_density(torch.empty((), dtype=torch.float64))
        if not isinstance(density, HomogeneousRow):
            raise NoMAPError(f"{type(density).__name__} is unbounded at zero: it has no MAP around which to expand (P4).")
        return density

    def _log_normalizers(self, row_prior: RowPrior, counts: Int[Tensor, "units"]) -> Float[Tensor, "units"]:
        """log Z of every unit's density over this many of its weights."""
        density, found = self.density(row_prior), torch.zeros(len(counts), dtype=torch.float64)
        for count in counts.unique().tolist():
            units = (counts == count).nonzero()[:, 0]
            found[units] = restricted_log_normalizer(density, units, count)
        return found

    def _ridge_penalty(self, weights: Bool[Tensor, "weights"]) -> float:
        strength = self.prior.rest.strength
        return float(strength * self.weights[weights].square().sum()) + self._ridge_normalizer(int(weights.sum()))

    def _ridge_normalizer(self, count: int) -> float:
        return count / 2 * math.log(math.pi / self.prior.rest.strength)
