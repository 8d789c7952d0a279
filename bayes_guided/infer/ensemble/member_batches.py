"""Batches for several members at once: the same cases for all, or each member in an order of its own, weighted or not."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.exceptions import DataError
from bayes_guided.infer.training.batches import Batches, TensorBatches


@dataclass(frozen=True, eq=False)
class MemberCases:
    """One batch: inputs and targets, with the members as the first axis where `own`, and weights of mean 1 or None."""

    inputs: Tensor
    targets: Tensor
    weights: Float[Tensor, "members batch"] | None
    own: bool


class MemberBatches(Batches):
    """Batches of tensors by position, looked up for every member; batches of a loader are the same for all members.

    `orders` hold a permutation of the cases per member. Each epoch draws one order, as a single fit of the seed would, and a
    member's order is that one after its own permutation: for every member by itself uniform, drawn anew each epoch.
    """

    def __init__(
        self,
        source: Batches,
        *,
        orders: Int[Tensor, "members cases"] | None = None,
        weights: Float[Tensor, "members cases"] | None = None,
    ) -> None:
        """`weights` are those of the cases in each member's likelihood, of mean 1.

        Raises:
            DataError: for weights on a DataLoader, whose batches do not say which cases they hold.
        """
        if weights is not None and not isinstance(source, TensorBatches):
            raise DataError(
                "a bootstrap weighs single cases, and a DataLoader's batches do not say which cases they hold; give the data "
                'as a pair of tensors, or use vary="seed".'
            )
        self.source = source
        self.device, self.size, self.per_epoch = source.device, source.size, source.per_epoch
        by_position = isinstance(source, TensorBatches)
        self._orders = orders.to(self.device) if orders is not None and by_position else None
        self._weights = None if weights is None else weights.to(self.device)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass in random order: pairs for `cases`, whose length is the batch's size."""
        if not isinstance(self.source, TensorBatches):
            yield from self.source.epoch()
            return
        order = torch.randperm(self.size).to(self.device)
        positions = order[:, None] if self._orders is None else order[self._orders].T
        for part in positions.tensor_split(self.per_epoch):
            yield part, part

    def cases(self, inputs: Tensor, targets: Tensor) -> MemberCases:
        """What a pair that `epoch` gave stands for."""
        if not isinstance(self.source, TensorBatches):
            return MemberCases(inputs, targets, None, own=False)
        own = self._orders is not None
        index = inputs.T if own else inputs[:, 0]
        weights = None
        if self._weights is not None:
            weights = self._weights.gather(1, index) if own else self._weights[:, index]
        inputs, targets = (
            values.index_select(0, index.flatten()).unflatten(0, index.shape)
            for values in (self.source.inputs, self.source.targets)
        )
        return MemberCases(inputs, targets, weights, own)

    def sweep(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the data themselves, for evaluation."""
        return self.source.sweep()

    def digest(self) -> str:
        """The source's."""
        return self.source.digest()


def member_orders(members: int, cases: int, seed: int) -> Int[Tensor, "members cases"]:
    """A permutation of the cases per member; the first is the identity."""
    generator = torch.Generator().manual_seed(seed)
    others = [torch.randperm(cases, generator=generator) for _ in range(members - 1)]
    return torch.stack([torch.arange(cases), *others])


def bootstrap_weights(members: int, cases: int, seed: int, dtype: torch.dtype) -> Float[Tensor, "members cases"]:
    """Weights of the Bayesian bootstrap [Rubin1981]: exponential(1), scaled to sum to the number of cases in every member.

    Unlike those of a multinomial bootstrap no weight is zero, so every class stays in every member.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.empty(members, cases, dtype=torch.float64).exponential_(generator=generator)
    return (drawn * (cases / drawn.sum(dim=1, keepdim=True))).to(dtype)
