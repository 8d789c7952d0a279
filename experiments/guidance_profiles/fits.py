"""One fit: a network trained under a guidance profile at a strength, reduced, refitted, and measured on data it never saw."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

import bayes_guided as bg
from bayes_guided.datasets import load_digits, load_idx, split_rows
from experiments.cases import Row

from .profiles import build

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Parts:
    """Images and labels to train on, to choose by, and to report."""

    train: Pair
    validation: Pair
    test: Pair


def measure(case: Row, settings: Row, data_dir: Path) -> Row:
    """Size of the reduced network, and its errors (fractions) as reduced and after the refit."""
    name, seed = case["dataset"], case["seed"]
    budget = settings["budget"][name]
    parts = _parts(name, seed, budget["train"], budget["validation"], data_dir)
    torch.manual_seed(seed)
    net = bg.nets.mlp(parts.train[0].shape[1], budget["hidden"], outputs=10)
    architecture = bg.Architecture.from_module(net, parts.train[0][:2])
    guidance = build(case["profile"], architecture, seed)
    prior = bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=case["strength"]), guidance=guidance)
    fit = bg.fit_map(net, prior, parts.train, seed=seed, progress=False, allow_empty=True, **budget["fit"])
    sub = fit.sub_architecture()
    return {
        "widths": list(sub.widths.values()),
        "collapsed": bool(fit.collapsed),
        "parameters": sub.num_parameters,
        "validation_error": fit.evaluate(parts.validation, refit=True).error,
        "test_error": fit.evaluate(parts.test, refit=True).error,
        "validation_error_map": fit.evaluate(parts.validation).error,
        "test_error_map": fit.evaluate(parts.test).error,
    }


@lru_cache(maxsize=1)
def _parts(name: str, seed: int, train: int | None, validation: int, data_dir: Path) -> Parts:
    """So many images for each part, drawn by the seed and stratified by class; `train` None takes all that is left."""
    data = load_digits() if name == "digits" else load_idx(data_dir / name)
    left, held_out = split_rows(data.train_y, validation / len(data.train_y), seed)
    trained = left if train is None else left[split_rows(data.train_y[left], train / len(left), seed)[1]]
    return Parts(
        (data.train_x[trained], data.train_y[trained]),
        (data.train_x[held_out], data.train_y[held_out]),
        (data.test_x, data.test_y),
    )
