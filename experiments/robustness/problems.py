"""The data: images of some classes with wrong labels among them, and regressions whose truth is a network."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from bayes_guided.datasets import Dataset, load_idx, mislabelled


def images(folder: Path, name: str, *, classes: int, samples: int, noise: float, seed: int) -> Dataset:
    """So many training images of so many classes, and all test images of these; the test labels are right.

    Classes, images and wrong labels are drawn with `seed`; exactly the fraction `noise` of the training labels is wrong.
    """
    data, generator = _loaded(folder / name), torch.Generator().manual_seed(seed)
    kept = torch.randperm(10, generator=generator)[:classes].sort().values
    train, test = (_of_classes(labels, kept) for labels in (data.train_y, data.test_y))
    train = train[torch.randperm(len(train), generator=generator)[:samples]]
    labels, right = (torch.searchsorted(kept, chosen) for chosen in (data.train_y[train], data.test_y[test]))
    return replace(
        data,
        train_x=data.train_x[train],
        train_y=mislabelled(labels, noise, classes, generator),
        test_x=data.test_x[test],
        test_y=right,
        num_classes=classes,
    )


def taught(units: int, *, features: int, samples: int, test_samples: int, noise: float, seed: int) -> Dataset:
    """Targets of a network with one hidden layer of `units` ReLU units, at normal inputs.

    Incoming weights are orthonormal and outgoing ones alternate in sign, so that no unit can stand for another. The
    noiseless target has mean 0 and variance 1 over the training part; `noise` is the standard deviation of what is added to
    it there. The test targets are noiseless: the test error is the distance from the truth.
    """
    generator = torch.Generator().manual_seed(seed)
    incoming = torch.linalg.qr(torch.randn(features, features, generator=generator)).Q[:, :units]
    outgoing = 1.0 - 2.0 * (torch.arange(units) % 2)
    x = torch.randn(samples + test_samples, features, generator=generator)
    truth = torch.relu(x @ incoming) @ outgoing
    truth = (truth - truth[:samples].mean()) / truth[:samples].std()
    targets = truth[:samples] + noise * torch.randn(samples, generator=generator)
    return Dataset(x[:samples], targets, x[samples:], truth[samples:], name=f"teacher of {units}", num_classes=None)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Dataset:
    return load_idx(folder)


def _of_classes(labels: Int[Tensor, "samples"], kept: Int[Tensor, "classes"] | Sequence[int]) -> Int[Tensor, "chosen"]:
    return torch.isin(labels, torch.as_tensor(kept)).nonzero().flatten()
