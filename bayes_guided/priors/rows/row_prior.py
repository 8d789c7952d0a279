"""The prior on the rows of one group: guided, unguided and protected weights put together."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from pyro.distributions import MaskedMixture, TorchDistribution
from torch import Tensor

from bayes_guided.analysis.implied import Evidence, Reading
from bayes_guided.analysis.row_shrinkage import row_shrinkage_log_odds
from bayes_guided.distributions import RowNormal
from bayes_guided.distributions.base import RowDistribution
from bayes_guided.distributions.row_parts import RowParts
from bayes_guided.priors.rows.weights import Laplace, Normal, WeightPrior


@dataclass(frozen=True, eq=False)
class RowPrior:
    """What the prior says of every row of a group.

    The weights in `columns` of the units with guidance follow `weights`; all other weights (unguided columns, and the whole
    rows of protected units) follow the proper `base`. Guidance and columns are float64 and bool on the CPU; results follow
    the dtype and device asked for.
    """

    name: str
    weights: WeightPrior
    base: Normal
    guidance: Float[Tensor, "units"]
    columns: Bool[Tensor, "row"]

    @property
    def dim(self) -> int:
        """Number of penalised weights in a row; the rate is scaled by it."""
        return int(self.columns.sum())

    @property
    def protected(self) -> Bool[Tensor, "units"]:
        """Units with guidance 0: present in every model (P6)."""
        return self.guidance == 0

    @property
    def whole_row(self) -> bool:
        """Whether every column is penalised."""
        return bool(self.columns.all())

    @cached_property
    def rates(self) -> Float[Tensor, "units"]:
        """The rate r_u per unit, float64; 0 for protected units."""
        return self.weights.rates(self.guidance, self.dim)

    def guided_density(self, like: Float[Tensor, "..."]) -> RowDistribution:
        """The weight prior's density over the penalised columns, batch shape (units,); protected units stand at rate 1."""
        return self.weights.distribution(self.rates.to(like).masked_fill(self.protected.to(like.device), 1.0), self.dim)

    def unguided_density(self, like: Float[Tensor, "..."]) -> RowNormal:
        """The base prior's density over the columns that guidance does not press on, batch shape (units,)."""
        return RowNormal(self._base_rates(len(self.guidance), like), len(self.columns) - self.dim)

    def model_log_odds(self, reading: Reading) -> Float[Tensor, "units"]:
        """Log odds of presence of every unit under a reading, nats, float64.

        A threshold and a shrinkage look at the penalised columns; evidence is that of the whole row (P11).

        Raises:
            ReadingError: if the weight prior's family has no such reading.
        """
        like = torch.empty((), dtype=torch.float64)
        odds = reading.log_odds(self.guided_density(like))
        if isinstance(reading, Evidence) and not self.whole_row:
            odds = odds + reading.log_odds(self.unguided_density(like))
        return odds

    def row_sizes(self, rows: Float[Tensor, "*draws units row"]) -> Float[Tensor, "*draws units"]:
        """The size of every given row that the reading "threshold" asks about, float64: the norm of its penalised weights.

        It is the norm that the family penalises: ||row||_1 under Laplace, else ||row||_2 (P10).
        """
        inside = rows.detach()[..., self.columns.to(rows.device)].double()
        return torch.linalg.vector_norm(inside, ord=1 if isinstance(self.weights, Laplace) else 2, dim=-1)

    def row_shrinkage_log_odds(
        self, rows: Float[Tensor, "*draws units row"], curvature: float
    ) -> Float[Tensor, "*draws units"]:
        """Log odds that each given row's mixing scale exceeds 1 / curvature, nats, float64; +inf for protected units (P16).

        The posterior survival in the reading "shrinkage" is the mean of their sigmoid over draws of the rows.

        Raises:
            ReadingError: if the weight prior's family has no such reading.
        """
        inside = rows.detach()[..., self.columns.to(rows.device)]
        density = self.guided_density(torch.empty((), dtype=torch.float64, device=rows.device))
        odds = row_shrinkage_log_odds(density, inside, curvature)
        return odds.masked_fill(self.protected.to(rows.device), torch.inf)

    def distribution(self, like: Float[Tensor, "..."]) -> TorchDistribution:
        """The density over rows, batch shape (units,), event shape (row,), in the dtype and on the device of `like`."""
        units, length = len(self.guidance), len(self.columns)
        protected = self.protected.to(like.device)
        density: TorchDistribution = self.guided_density(like)
        if not self.whole_row:
            density = RowParts(self.columns.to(like.device), density, self.unguided_density(like))
        if bool(self.protected.any()):
            density = MaskedMixture(protected, density, RowNormal(self._base_rates(units, like), length))
        return density

    def penalty(self, rows: Float[Tensor, "units row"]) -> Float[Tensor, "units"]:
        """Minus the log density of every row without its constants, in nats.

        Raises:
            NoMAPError: if the weight prior is unbounded.
        """
        protected = self.protected.to(rows.device)
        columns = self.columns.to(rows.device)
        rates = self.rates.to(rows).masked_fill(protected, 1.0)
        ridge = self._base_rates(len(self.guidance), rows)
        inside = rows if self.whole_row else rows[:, columns]
        guided = self.weights.penalty(inside, rates)
        if not self.whole_row:
            guided = guided + self.base.penalty(rows[:, ~columns], ridge)
        if not bool(protected.any()):
            return guided
        return torch.where(protected, self.base.penalty(rows, ridge), guided)

    def _base_rates(self, units: int, like: Float[Tensor, "..."]) -> Float[Tensor, "units"]:
        return self.base.rates(torch.ones(units, dtype=like.dtype, device=like.device), 1)
