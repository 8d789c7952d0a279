"""Chains with checkpoints: interrupted anywhere, they go on to the same draws, and leave no trace in the process."""

from collections.abc import Iterator
from typing import Any

import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from bayes_guided.exceptions import CheckpointError
from bayes_guided.infer.mcmc.chains import Chain, run_chain
from bayes_guided.infer.training.checkpoint import Checkpoints

WARMUP, DRAWS = 7, 11


class Walk(Chain):
    """A random walk; dies at a given step, counted from the start of its life."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.position, self.left = torch.zeros(2), dies_at

    def move(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        self.position = self.position + torch.randn(2)

    def warm_up(self) -> Iterator[None]:
        for _ in range(WARMUP):
            self.move()
            yield

    def step(self) -> dict[str, Tensor]:
        self.move()
        return {"position": self.position, "far": self.position.norm() > 3}

    def state(self) -> dict[str, Any]:
        return {"position": self.position}

    def restore(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


def run(chain: Chain, folder=None, advance=lambda steps: None, steps: int | None = 4, seed: int = 5) -> dict[str, Tensor]:
    checkpoints = None if folder is None else Checkpoints(folder, {"seed": seed}, steps=steps, seconds=1e9)
    checkpoint = None if checkpoints is None else checkpoints.phase("chain")
    device = torch.device("cpu")
    return run_chain(chain, DRAWS, seed=seed, device=device, checkpoint=checkpoint, advance=advance, warmup=WARMUP)


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("step", range(WARMUP + DRAWS))
def test_interrupted_at_every_step(tmp_path, step):
    whole = run(Walk())
    with pytest.raises(KeyboardInterrupt):
        run(Walk(dies_at=step), tmp_path)
    assert same(run(Walk(), tmp_path), whole)
    assert same(run(Walk(dies_at=0), tmp_path), whole)  # all is there: not a step is made


def test_the_first_axis_is_the_draws():
    draws = run(Walk())
    assert draws["position"].shape == (DRAWS, 2)
    assert draws["far"].dtype == torch.bool
    assert not same(draws, run(Walk(), seed=6))


def test_progress_adds_up_whether_resumed_or_not(tmp_path):
    for dies_at in (9, None):
        steps: list[int] = []
        try:
            run(Walk(dies_at), tmp_path, steps.append)
        except KeyboardInterrupt:
            continue
        assert sum(steps) == WARMUP + DRAWS
        assert steps[0] == WARMUP  # the checkpoint after the warm-up


def test_another_runs_checkpoint_is_refused(tmp_path):
    run(Walk(), tmp_path)
    with pytest.raises(CheckpointError, match="another run"):
        run(Walk(), tmp_path, seed=6)


def test_generators_and_validation_are_lent():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    run(Walk())
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="support"):
        dist.Normal(0.0, 1.0).log_prob(torch.tensor(float("nan")))
