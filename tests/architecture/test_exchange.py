"""Exchanged units: the function stays where units are exchangeable, and groups that are not are found out."""

import copy

import pytest
import torch
from torch import nn

from bayes_guided.architecture import Architecture
from bayes_guided.architecture.exchange import exchange, is_exchangeable
from tests.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_any_order_of_hidden_units_computes_the_same(scenario: Scenario):
    net = scenario.net().eval()
    inputs, architecture = scenario.data()[0], scenario.architecture(net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.copy_(torch.linspace(-1, 1, module.num_features))
    for group in architecture.groups:
        assert is_exchangeable(net, architecture, group)
        moved, order = copy.deepcopy(net), torch.arange(group.size).flip(0)
        exchange(moved, architecture, group, order)
        torch.testing.assert_close(moved(inputs), net(inputs), rtol=1e-10, atol=1e-12)
        assert torch.equal(architecture.rows(moved)[group.name], architecture.rows(net)[group.name][order])
        exchange(moved, architecture, group, order)
        assert all(torch.equal(a, b) for a, b in zip(moved.parameters(), net.parameters(), strict=True))


def test_gates_on_inputs_have_their_places():
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    gated, architecture = Architecture.with_gates(net, torch.ones(2, 4, dtype=torch.float64), inputs=True)
    for parameter in gated.parameters():
        parameter.data.fill_(0.3)  # equal weights must not hide that inputs differ
    found = {group.name: is_exchangeable(gated, architecture, group) for group in architecture.groups}
    assert found.pop("inputs") is False
    assert list(found.values()) == [True]


def test_units_that_a_grouped_convolution_reads_are_not_exchangeable():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    net, images = net.double(), torch.randn(2, 1, 4, 4, dtype=torch.float64)
    architecture = Architecture.from_module(net, images)
    assert not is_exchangeable(net, architecture, architecture.groups[0])
