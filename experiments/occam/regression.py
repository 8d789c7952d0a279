"""A regression on real data that is linear in the weights of its units, so that every evidence has a closed form.

A unit is a fixed random feature tanh(a . x + b) of the standardised inputs. Two kinds of units are put among them that show
what data can say: a *needless* unit is such a feature of shuffled cases, so that it has nothing to do with the target; a
*twin* is the copy of an earlier unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bayes_guided.datasets import Dataset


@dataclass(frozen=True, eq=False)
class Regression:
    """y = design w + noise of known standard deviation; float64.

    design: (cases, units), columns of mean 0 and mean square 1 over all cases that there are. targets: (cases,).
    """

    design: Tensor
    targets: Tensor
    noise_scale: float

    def first(self, cases: int) -> "Regression":
        """The first so many cases."""
        return Regression(self.design[:cases], self.targets[:cases], self.noise_scale)


def regression(
    data: Dataset, *, units: int, needless: Sequence[int], twins: Mapping[int, int], noise_fraction: float, seed: int
) -> Regression:
    """The training cases in random order; units count from 1, `twins` gives the original of each copy.

    The noise is the residual of least squares with all units in `noise_fraction` of the cases, which are then left out.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.train_x), generator=generator)
    inputs, targets = data.train_x[order].double(), data.train_y[order].double().flatten()
    design = features(inputs, units, needless, twins, generator)
    spare = int(noise_fraction * len(inputs))
    residual = (
        targets[:spare] - design[:spare] @ torch.linalg.lstsq(design[:spare], targets[:spare, None], driver="gelsd")[0][:, 0]
    )
    free = spare - (units - len(twins))
    return Regression(design[spare:], targets[spare:], float((residual.square().sum() / free).sqrt()))


def features(
    inputs: Tensor, units: int, needless: Sequence[int], twins: Mapping[int, int], generator: torch.Generator
) -> Tensor:
    """(cases, units), each column less its mean and over its root mean square."""
    cases, columns = inputs.shape
    directions = torch.randn(columns, units, dtype=inputs.dtype, generator=generator) / columns**0.5
    offsets = torch.randn(units, dtype=inputs.dtype, generator=generator)
    found = torch.tanh(inputs @ directions + offsets)
    for unit in needless:
        found[:, unit - 1] = found[torch.randperm(cases, generator=generator), unit - 1]
    for copy, original in twins.items():
        found[:, copy - 1] = found[:, original - 1]
    found = found - found.mean(dim=0)
    return found / found.square().mean(dim=0).sqrt()
