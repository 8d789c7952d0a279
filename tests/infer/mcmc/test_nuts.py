"""NUTS on a normal density with known moments."""

import pyro
import pytest
import torch
from torch import Tensor

from bayes_guided.exceptions import DivergedError
from bayes_guided.infer.mcmc.nuts import NUTSKernel, Tuning

SCALES = torch.tensor([0.1, 1.0, 5.0], dtype=torch.float64)
MEAN = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
SETTINGS = {"target_accept": 0.8, "max_tree_depth": 6}


def potential(position: Tensor) -> Tensor:
    return 0.5 * ((position - MEAN) / SCALES).square().sum()


def walk(kernel: NUTSKernel, steps: int) -> Tensor:
    return torch.stack([kernel.step()[0] for _ in range(steps)])


def test_warm_up_finds_the_variances_and_draws_have_the_moments():
    torch.manual_seed(0)
    kernel = NUTSKernel(potential, torch.zeros(3, dtype=torch.float64), adapt_steps=300, **SETTINGS)
    position = walk(kernel, 300)[-1]
    assert torch.allclose(kernel.tuning.variances.sqrt(), SCALES, rtol=0.5)
    draws = walk(NUTSKernel(potential, position, tuning=kernel.tuning, **SETTINGS), 400)
    # Trajectories on a normal density are antithetic or independent: the draws count at least a quarter.
    assert bool(((draws.mean(dim=0) - MEAN).abs() < 4 * SCALES / 100**0.5).all())
    assert bool(((draws.std(dim=0) / SCALES - 1).abs() < 4 / 200**0.5).all())


def test_a_kernel_started_anew_goes_on_with_the_same_bits():
    tuning = Tuning(0.7, SCALES**2)
    torch.manual_seed(1)
    kernel = NUTSKernel(potential, MEAN, tuning=tuning, **SETTINGS)
    whole = walk(kernel, 8)
    torch.manual_seed(1)
    first = walk(NUTSKernel(potential, MEAN, tuning=tuning, **SETTINGS), 4)
    second = walk(NUTSKernel(potential, first[-1].clone(), tuning=tuning, **SETTINGS), 4)
    assert torch.equal(torch.cat([first, second]), whole)


def test_a_chain_that_was_moved_goes_on_from_where_it_is_put():
    tuning, far = Tuning(1e-3, torch.ones(3, dtype=torch.float64)), MEAN + 3.0
    torch.manual_seed(2)
    kernel = NUTSKernel(potential, MEAN, tuning=tuning, target_accept=0.8, max_tree_depth=1)
    kernel.step()
    moved, _ = kernel.step(far)
    assert bool(((moved - far).abs() < 0.1).all())


def test_a_far_too_large_step_diverges():
    torch.manual_seed(3)
    kernel = NUTSKernel(potential, MEAN, tuning=Tuning(500.0, torch.ones(3, dtype=torch.float64)), **SETTINGS)
    position, diverged = kernel.step()
    assert diverged
    assert torch.equal(position, MEAN)


def test_a_start_without_a_density_is_refused():
    with pytest.raises(DivergedError, match="not finite"):
        NUTSKernel(lambda position: position.sum() / 0, torch.ones(2), **SETTINGS)


def test_pyros_store_stays_empty():
    walk(NUTSKernel(potential, MEAN, adapt_steps=20, **SETTINGS), 20)
    assert not pyro.get_param_store().keys()
