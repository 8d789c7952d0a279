"""Runs that are killed and started again, each in its own process; `test_resume.py` starts and kills them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # a second's work that torch.optim puts off to its first step: done once, by the server
from torch.utils.data import DataLoader

import bayes_guided as bg
from tests.infer.problems import CLASSES, LEARNED_NOISE, ConvNet, Jittered, built, guided, image_data

RUN: dict[str, Any] = {
    "epochs": 6,
    "batch_size": 16,
    "lr": 2e-2,
    "warmup_steps": 5,
    "ramp_epochs": 2.0,
    "refit_epochs": 4,
    "seed": 3,
    "checkpoint_steps": 3,
}


def dropout(folder: Path) -> None:
    """Tensors, dropout, validation data."""

    def build() -> torch.nn.Module:
        layers = [torch.nn.Linear(5, 12), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(12, 3)]
        return torch.nn.Sequential(*layers)

    net = built(build)
    prior = guided(net, CLASSES.data()[0][:2], 2.0)
    bg.fit_map(net, prior, CLASSES.data(), validation=CLASSES.data(20, seed=1), checkpoint=folder, **RUN)


def batch_norm(folder: Path) -> None:
    """Images, batch norm's buffers, dropout, one second moment per weight."""
    net = built(ConvNet)
    prior = guided(net, image_data()[0][:2], 1.0)
    bg.fit_map(net, prior, image_data(), metric="weight", checkpoint=folder, **RUN)


def loader(folder: Path) -> None:
    """A DataLoader that shuffles and augments, a learned noise, a loader for validation."""
    net = LEARNED_NOISE.net()
    train = DataLoader(Jittered(*LEARNED_NOISE.data()), batch_size=16, shuffle=True, drop_last=True)
    held_out = DataLoader(Jittered(*LEARNED_NOISE.data(20, seed=1)), batch_size=16, shuffle=True)
    settings = {"likelihood": bg.likelihoods.Normal(), "validation": held_out, "checkpoint": folder}
    bg.fit_map(net, LEARNED_NOISE.prior(net), train, **settings, **RUN)


RUNS: dict[str, Callable[[Path], None]] = {"dropout": dropout, "batch_norm": batch_norm, "loader": loader}


def die() -> None:
    """What a power switch does: nothing after this runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def start(name: str, folder: Path, moment: str | None = None, writes: int = 0) -> None:
    """Runs or goes on with a run; dies at a `moment` ("half written", "written", "in place") of its `writes`-th write."""
    torch.set_num_threads(1)
    if moment is not None:
        die_at(moment, writes)
    RUNS[name](folder)


def die_at(moment: str, writes: int) -> None:
    fsync, replace = os.fsync, Path.replace
    left = [writes]

    def watched_fsync(file: int) -> None:
        left[0] -= 1
        if left[0] == 0 and moment == "half written":
            os.ftruncate(file, os.fstat(file).st_size // 2)
            die()
        fsync(file)

    def watched_replace(path: Path, target: Path) -> Path:
        if left[0] == 0 and moment == "written":
            die()
        found = replace(path, target)
        if left[0] == 0:
            die()
        return found

    os.fsync, Path.replace = watched_fsync, watched_replace  # pyright: ignore[reportAttributeAccessIssue]
