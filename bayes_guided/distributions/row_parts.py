"""A row in two parts, each with its own density: where only the norm's scale and shift are penalised."""

import torch
from jaxtyping import Bool, Float
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from bayes_guided.exceptions import RowShapeError


class RowParts(TorchDistribution):
    """Independent densities on the columns of a row where `columns` is True (`inside`) and where it is False (`outside`).

    Batch shape: that of the two parts, usually (units,). Event shape: (row,).

    Raises:
        RowShapeError: if the parts are not as long as the columns they fill, or differ in batch shape.
    """

    arg_constraints = {}  # noqa: RUF012  (torch's own protocol)
    support = constraints.independent(constraints.real, 1)
    has_rsample = True

    def __init__(
        self, columns: Bool[Tensor, "row"], inside: TorchDistribution, outside: TorchDistribution, validate_args=None
    ) -> None:
        filled = int(columns.sum())
        if inside.event_shape != (filled,) or outside.event_shape != (len(columns) - filled,):
            raise RowShapeError(
                f"RowParts: {filled} of {len(columns)} columns are inside, but the parts have "
                f"{tuple(inside.event_shape)} and {tuple(outside.event_shape)} weights."
            )
        if inside.batch_shape != outside.batch_shape:
            raise RowShapeError(
                f"RowParts: the parts' batch shapes differ: {tuple(inside.batch_shape)}, {tuple(outside.batch_shape)}."
            )
        self.columns, self.inside, self.outside = columns, inside, outside
        super().__init__(inside.batch_shape, torch.Size((len(columns),)), validate_args=validate_args)

    def expand(self, batch_shape: torch.Size, _instance: "RowParts | None" = None) -> "RowParts":
        """The same density with both parts expanded to `batch_shape`."""
        return RowParts(self.columns, self.inside.expand(batch_shape), self.outside.expand(batch_shape))

    def log_prob(self, value: Float[Tensor, "*batch row"]) -> Float[Tensor, "*batch"]:
        """Sum of the two parts' log densities, in nats."""
        return self.inside.log_prob(value[..., self.columns]) + self.outside.log_prob(value[..., ~self.columns])

    def rsample(self, sample_shape: torch.Size = torch.Size()) -> Float[Tensor, "*shape row"]:  # noqa: B008
        """Rows of shape sample_shape + batch_shape + (row,), reparameterised where both parts are."""
        return self._joined(self.inside.rsample(sample_shape), self.outside.rsample(sample_shape))

    @property
    def mean(self) -> Float[Tensor, "*batch row"]:
        """Mean of each weight."""
        return self._joined(self.inside.mean, self.outside.mean)

    @property
    def variance(self) -> Float[Tensor, "*batch row"]:
        """Variance of each weight."""
        return self._joined(self.inside.variance, self.outside.variance)

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Sum of the two parts' entropies, in nats."""
        return self.inside.entropy() + self.outside.entropy()

    def _joined(self, inside: Float[Tensor, "*b n"], outside: Float[Tensor, "*b m"]) -> Float[Tensor, "*b row"]:
        # A gather rather than a masked assignment, so that vmap and double backward work.
        order = torch.cat([self.columns.nonzero()[:, 0], (~self.columns).nonzero()[:, 0]]).argsort()
        return torch.cat([inside, outside], dim=-1)[..., order]
