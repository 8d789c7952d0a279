"""Gates under the proximal optimiser: exact zeros where the optimality conditions ask for them, never below zero."""

import pytest
import torch
from torch import nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture
from bayes_guided.nn import Gate
from bayes_guided.optim import ProximalAdam
from bayes_guided.priors import GroupLaplace, GuidedPrior

N = 10.0
STRENGTH = 2.0
TARGETS = torch.tensor([1.5, 0.5, 0.15, -1.0, -0.3, 0.0], dtype=torch.float64)


class Diagonal(nn.Module):
    """A gate between two frozen identity layers: the loss separates, so that its minimiser is known."""

    def __init__(self, signed: bool) -> None:
        super().__init__()
        self.first, self.gate, self.last = nn.Linear(6, 6, bias=False), Gate(6, signed=signed), nn.Linear(6, 6, bias=False)
        for layer in (self.first, self.last):
            nn.init.eye_(layer.weight).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.gate(self.first(x)))


@pytest.mark.parametrize("metric", ["row", "weight"])
@pytest.mark.parametrize("signed", [True, False])
def test_the_fixed_point_is_the_soft_threshold_and_its_projection(metric, signed) -> None:
    """The loss is sum (g - target)^2 / 2, so that g = S(target, strength / N), cut off at zero where it is not signed."""
    net = Diagonal(signed).double()
    x = torch.eye(6, dtype=torch.float64)
    architecture = Architecture.from_module(net, x)
    assert {g.name: (g.size, g.row_dim) for g in architecture.groups} == {"gate": (6, 1)}
    prior = GuidedPrior(architecture, GroupLaplace(strength=STRENGTH), guidance.constant())
    optimizer = ProximalAdam(net, prior, dataset_size=int(N), lr=0.02, warmup_steps=5, metric=metric)
    for _ in range(800):
        optimizer.zero_grad()
        (0.5 * (net(x).diagonal() - TARGETS).square().sum()).backward()
        optimizer.step()
        assert signed or bool((net.gate.weight >= 0).all())
    threshold = STRENGTH / N
    expected = TARGETS.sign() * (TARGETS.abs() - threshold).clamp_min(0)
    if not signed:
        expected = expected.clamp_min(0)
    torch.testing.assert_close(net.gate.weight.detach(), expected, rtol=0, atol=1e-3)
    assert torch.equal(net.gate.weight == 0, expected == 0)
