"""A row in two parts, each with its own density: where only the norm's scale and shift are penalised."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from pyro.distributions import TorchDistribution
from torch import Tensor

from bayes_guided.exceptions import RowShapeError

from .base import RowDistribution


class RowParts(TorchDistribution):
    """Independent densities on the columns of a row where `columns` is True (`inside`) and where it is False (`outside`).

    Batch shape: that of the two parts, usually (units,). Event shape: (row,).
    """

    arg_constraints: ClassVar = {}  # pyright: ignore
    # The very object of the other row densities: Pyro's masked mixture compares supports by identity.
    support = RowDistribution.support  # pyright: ignore[reportIncompatibleMethodOverride]
    has_rsample = True

    def __init__(
        self,
        columns: Bool[Tensor, "row"],
        inside: TorchDistribution,
        outside: TorchDistribution,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Joins two densities over the columns inside and outside.

        Raises:
            RowShapeError: if the parts are not as long as the columns they fill, or differ in batch shape.
        """
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

    def expand(self, batch_shape: Sequence[int], _instance: "RowParts | None" = None) -> "RowParts":
        """The same density with both parts expanded to `batch_shape`.

        Raises: RuntimeError: if the parts do not expand to that shape.
        """
        shape = torch.Size(batch_shape)
        validates: bool | None = self._validate_args
        return RowParts(self.columns, self.inside.expand(shape), self.outside.expand(shape), validate_args=validates)

    def log_prob(self, value: Float[Tensor, "*batch row"]) -> Float[Tensor, "*batch"]:
        """Sum of the two parts' log densities, in nats.

        Raises: ValueError: if validation is on and a value is NaN or of the wrong length.
        """
        if self._validate_args:
            self._validate_sample(value)
        return self.inside.log_prob(value[..., self.columns]) + self.outside.log_prob(value[..., ~self.columns])

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (row,), reparameterised where both parts are."""
        shape = torch.Size(sample_shape)
        return self._joined(self.inside.rsample(shape), self.outside.rsample(shape))

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
