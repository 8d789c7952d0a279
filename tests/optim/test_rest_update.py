from collections import defaultdict

import pytest
import torch
from torch import nn

from bayes_guided.optim.rest_update import RestUpdate

SETTINGS = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-8}


def run(update: RestUpdate, parameter: nn.Parameter, gradients: list[torch.Tensor], ridge: float) -> None:
    state = defaultdict(dict)
    for step, gradient in enumerate(gradients, start=1):
        parameter.grad = gradient.clone()
        with torch.no_grad():
            update.step(state, SETTINGS | {"step": step}, ridge=ridge)


def by_torch(parameter: nn.Parameter, gradients: list[torch.Tensor], ridge: float) -> None:
    optimizer = torch.optim.Adam([parameter], weight_decay=2 * ridge, **SETTINGS)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4)])
def test_it_is_torchs_adam_with_the_gradient_of_the_ridge(shape, ridge):
    found = nn.Parameter(torch.randn(shape, dtype=torch.float64))
    expected = nn.Parameter(found.detach().clone())
    gradients = [torch.randn(shape, dtype=torch.float64) for _ in range(12)]
    run(RestUpdate(found, None, None), found, gradients, ridge)
    by_torch(expected, gradients, ridge)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("axis", [0, 1])
def test_only_its_positions_move(axis):
    found = nn.Parameter(torch.randn(4, 4, dtype=torch.float64))
    start, index = found.detach().clone(), torch.tensor([2, 0])
    gradients = [torch.randn(4, 4, dtype=torch.float64) for _ in range(5)]
    run(RestUpdate(found, axis, index), found, gradients, 0.3)
    part = nn.Parameter(start.index_select(axis, index))
    by_torch(part, [gradient.index_select(axis, index) for gradient in gradients], 0.3)
    expected = start.clone().index_copy_(axis, index, part.detach())
    torch.testing.assert_close(found.detach(), expected, rtol=1e-12, atol=1e-14)
    others = torch.tensor([1, 3])
    assert torch.equal(found.detach().index_select(axis, others), start.index_select(axis, others))


def test_without_a_gradient_nothing_happens():
    parameter = nn.Parameter(torch.ones(3))
    state = defaultdict(dict)
    RestUpdate(parameter, None, None).step(state, SETTINGS | {"step": 1}, ridge=1.0)
    assert torch.equal(parameter, torch.ones(3))
    assert not state
