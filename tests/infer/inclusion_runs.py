"""Fits of spike and slab priors that `test_inclusion_resume.py` kills and starts again, each in its own process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import bayes_guided as bg
from bayes_guided import guidance, priors
from bayes_guided.infer.inclusion.fitting import fit_inclusion
from tests.infer.problems import LEARNED_NOISE, ConvNet, built, image_data
from tests.infer.resumable import die_at

RUN: dict[str, Any] = {"epochs": 4, "batch_size": 16, "lr": 2e-2, "seed": 3, "checkpoint_steps": 3, "allow_empty": True}


def nested(folder: Path) -> None:
    """A learned noise, a nested prior, validation data, two starts, a refit."""
    net = LEARNED_NOISE.net()
    architecture = bg.Architecture.from_module(net, LEARNED_NOISE.data()[0][:2])
    models = priors.NestedWidth.from_guidance(architecture, guidance.linear(), strength=0.1)
    prior = bg.SpikeAndSlabPrior(architecture, models, priors.GroupLaplace(strength=1.0))
    held_out = LEARNED_NOISE.data(20, seed=1)
    settings = {
        "likelihood": bg.likelihoods.Normal(),
        "validation": held_out,
        "checkpoint": folder,
        "restarts": 2,
        "refit_epochs": 3,
    }
    fit_inclusion(net, prior, LEARNED_NOISE.data(), **settings, **RUN)


def relaxed(folder: Path) -> None:
    """Images, batch norm's buffers, dropout, relaxed gates."""
    net = built(ConvNet)
    architecture = bg.Architecture.from_module(net, image_data()[0][:2])
    models = priors.CumulativeShrinkage.from_guidance(architecture, guidance.linear(), strength=0.1)
    prior = bg.SpikeAndSlabPrior(architecture, models, priors.Normal(strength=1.0))
    fit_inclusion(net, prior, image_data(), checkpoint=folder, restarts=2, **RUN)


RUNS: dict[str, Callable[[Path], None]] = {"nested": nested, "relaxed": relaxed}


def start(name: str, folder: Path, moment: str | None = None, writes: int = 0) -> None:
    """Runs or goes on with a run; dies at a moment of its `writes`-th write, as `resumable.start`."""
    torch.set_num_threads(1)
    if moment is not None:
        die_at(moment, writes)
    RUNS[name](folder)
