"""The data, cut by the seed, and the networks that are trained on them."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bayes_guided.datasets import Dataset, load_digits, load_idx, split_rows

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Problem:
    """A data set whose parts and starting weights are those of one seed, and how a network is trained on it."""

    training: Pair
    validation: Pair
    test: Pair
    hidden: tuple[int, ...]
    budget: dict[str, Any]
    """`batch_size` and `lr` of every fit."""
    epochs: int
    refit_epochs: int
    posterior_lr: float
    """In the place of `lr` and `epochs` where weights have a posterior."""
    posterior_epochs: int
    seed: int

    def network(self, *, batch_norm: bool) -> nn.Sequential:
        """A fully connected ReLU network at its starting weights, the same at every call."""
        widths = [self.training[0].shape[1], *self.hidden]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            layers: list[nn.Module] = []
            for fan_in, fan_out in pairwise(widths):
                norm = [nn.BatchNorm1d(fan_out)] if batch_norm else []
                layers += [nn.Linear(fan_in, fan_out), *norm, nn.ReLU()]
            return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def load(name: str, seed: int, settings: dict[str, Any], data_dir: Path) -> Problem:
    """The problem of a name in `settings["data"]`: training, validation and test part, all cut anew by the seed.

    Fashion-MNIST: training and validation images are drawn from its 60,000 training images, the test part is its own.
    """
    chosen = settings["data"][name]
    data = load_digits(seed=seed) if name == "digits" else _drawn(data_dir / name, chosen["images"], seed)
    parts = data.split_validation(chosen["validation_fraction"], seed=seed)
    assert parts.validation_x is not None
    assert parts.validation_y is not None
    return Problem(
        training=(parts.train_x, parts.train_y),
        validation=(parts.validation_x, parts.validation_y),
        test=(parts.test_x, parts.test_y),
        hidden=tuple(settings["hidden"]),
        budget={"lr": settings["lr"], "batch_size": chosen["batch_size"]},
        epochs=chosen["epochs"],
        refit_epochs=chosen["refit_epochs"],
        posterior_lr=settings["spike_and_slab"]["lr"],
        posterior_epochs=settings["spike_and_slab"]["epochs"][name],
        seed=seed,
    )


def _drawn(folder: Path, images: int, seed: int) -> Dataset:
    whole = _whole(folder)
    _, drawn = split_rows(whole.train_y, images / len(whole.train_y), seed)
    return Dataset(
        whole.train_x[drawn], whole.train_y[drawn], whole.test_x, whole.test_y, name=whole.name, num_classes=whole.num_classes
    )


@lru_cache(maxsize=1)
def _whole(folder: Path) -> Dataset:
    return load_idx(folder)
