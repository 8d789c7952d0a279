"""One fit on the processes that torchrun started, or on one: `python -m tests.infer.shared_fit FOLDER [KILL_AT]`."""

import os
import signal
import sys
from pathlib import Path

import torch
import torch.distributed

import bayes_guided as bg
from bayes_guided.infer.training import loop as training
from tests.infer.problems import LEARNED_NOISE, guided

RUN = {"epochs": 6, "batch_size": 15, "lr": 2e-2, "warmup_steps": 5, "refit_epochs": 2, "seed": 3, "checkpoint_steps": 4}


def main(folder: Path, kill_at: int | None) -> None:
    """Fits, and saves the fit if this is the first process."""
    rank = int(os.environ.get("RANK", 0))
    if "RANK" in os.environ:
        torch.distributed.init_process_group("gloo")
    if kill_at is not None:
        _die_at(kill_at)
    # Every process starts elsewhere: the first one's weights count.
    net = LEARNED_NOISE.net(seed=rank).double()
    x, y = (part.double() for part in LEARNED_NOISE.data())
    prior = guided(net, x[:2], LEARNED_NOISE.strength)
    fit = bg.fit_map(net, prior, (x, y), likelihood=bg.likelihoods.Normal(), checkpoint=folder / "checkpoint", **RUN)
    fit.save(folder / f"fit{rank}")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _die_at(step: int) -> None:
    taken = 0
    original = training.Plan.apply

    def apply(self: training.Plan, optimizer: torch.optim.Optimizer, at: int, per_epoch: int) -> None:
        nonlocal taken
        if taken == step:
            os.kill(os.getpid(), signal.SIGKILL)
        taken += 1
        original(self, optimizer, at, per_epoch)

    training.Plan.apply = apply  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
