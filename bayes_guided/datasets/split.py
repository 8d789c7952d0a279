"""A seeded split of rows into a part that stays and a part that is cut off."""

import math

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from bayes_guided.exceptions import ConfigError


def split_rows(
    targets: Shaped[Tensor, "samples *targets"], fraction: float, seed: int
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " cut"]]:
    """Row numbers that stay and row numbers that are cut off, each in ascending order.

    Exactly round(fraction * samples) rows are cut, chosen at random by a private generator. Where the targets are
    labels (integers) the split is stratified: each class loses its share of rows to within one row.

    Raises:
        ConfigError: if the fraction is not in (0, 1) or would leave either part empty.
    """
    size = len(targets)
    count = round(fraction * size) if math.isfinite(fraction) else 0
    if not 0.0 < fraction < 1.0 or not 0 < count < size:
        raise ConfigError(f"a split fraction of {fraction} of {size} rows leaves a part empty; choose one inside (0, 1).")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    if not targets.is_floating_point():
        order = order[torch.argsort(targets[order].cpu(), stable=True)]
    # `count` evenly spaced places in an order that is sorted by class and random within each class: systematic
    # sampling, which is stratified without rounding each class for itself.
    places = torch.arange(size)
    is_cut = (places + 1) * count // size > places * count // size
    return order[~is_cut].sort().values, order[is_cut].sort().values
