"""MCMC runs that are killed and started again, each in its own process; `test_mcmc_resume.py` starts and kills them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import bayes_guided as bg
from tests.infer.problems import built, guided
from tests.infer.resumable import die_at
from tests.scenarios import ROWS

RUN: dict[str, Any] = {"chains": 2, "warmup": 40, "draws": 20, "max_tree_depth": 3, "seed": 3, "checkpoint_steps": 6}
WRITES = 1 + 3 + 1
"""Of every chain: after the warm-up, at every sixth draw, at the end."""


def nuts(folder: Path) -> None:
    """A tanh network with a learned noise, in float32."""
    net = built(lambda: torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)))
    inputs = torch.linspace(-1, 1, 30).reshape(15, 2)
    data = inputs, inputs[:, 0].sin() + inputs[:, 1] ** 2
    prior = guided(net, inputs[:2], 1.0)
    bg.fit_mcmc(net, prior, data, likelihood=bg.likelihoods.Normal(), checkpoint=folder, **RUN)


def models(folder: Path) -> None:
    """Models and rows of a linear regression."""
    bg.fit_mcmc(ROWS.net(), ROWS.prior, ROWS.data(), likelihood=ROWS.likelihood, checkpoint=folder, **RUN)


RUNS: dict[str, Callable[[Path], None]] = {"nuts": nuts, "models": models}


def start(name: str, folder: Path, moment: str | None = None, writes: int = 0) -> None:
    """Runs or goes on with a run; dies at a `moment` of its `writes`-th write, as `resumable.start`."""
    torch.set_num_threads(1)
    if moment is not None:
        die_at(moment, writes)
    RUNS[name](folder)
