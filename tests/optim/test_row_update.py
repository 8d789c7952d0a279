"""Rows move as they should wherever they lie in the parameters: held against the step written out in NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture
from bayes_guided.optim import ProximalAdam
from bayes_guided.priors import GroupLaplace, GuidedPrior, Laplace, Normal
from tests.architecture.zoo import CASES, Case
from tests.scenarios import MLP, RESIDUAL, WITH_MAP

from .reference import Reference

ZOO = {case.name: case for case in CASES}
COUPLED = ["mlp", "batch_norm", "flatten", "residual", "dense", "grouped", "depthwise_separable", "autoencoder", "chunk"]


def prepared(case: Case) -> tuple[nn.Module, Tensor, Architecture]:
    net, inputs = case.net().double(), case.example().double()
    return net, inputs, Architecture.from_module(net, inputs)


def loss_of(net: nn.Module, inputs: Tensor) -> Tensor:
    outputs = net(inputs)
    return (outputs - torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).reshape(outputs.shape)).square().mean()


def compare(net: nn.Module, inputs: Tensor, prior: GuidedPrior, metric: str, *, steps: int = 25, lr: float = 0.02) -> int:
    """Trains beside the reference; the number of zero rows at the end."""
    optimizer = ProximalAdam(net, prior, dataset_size=20, lr=lr, warmup_steps=3, metric=metric)
    reference = Reference(net, prior, dataset_size=20, lr=lr, warmup=3, metric=metric)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(net, inputs).backward()
        reference.step({name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None})
        optimizer.step()
        rows = prior.architecture.rows(net)
        for name, expected in reference.rows.items():
            np.testing.assert_allclose(rows[name].detach().numpy(), expected, rtol=1e-8, atol=1e-10, err_msg=name)
            assert np.array_equal((rows[name] == 0).all(dim=1).numpy(), (expected == 0).all(axis=1))
        rest = prior.architecture.rest_vector(net).detach().numpy()
        np.testing.assert_allclose(rest, reference.rest, rtol=1e-8, atol=1e-10)
    return sum(int((row == 0).all(dim=1).sum()) for row in prior.architecture.rows(net).values())


@pytest.mark.parametrize("name", COUPLED)
@pytest.mark.parametrize("metric", ["row", "weight"])
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_coupled_networks(name, metric, penalised):
    """Concatenated, grouped, transposed and shared parameters; units in order, gathered, and partly in the rest."""
    net, inputs, architecture = prepared(ZOO[name])
    prior = GuidedPrior(
        architecture, GroupLaplace(strength=3.0), guidance.linear(), rest=Normal(strength=0.3), penalised=penalised
    )
    assert compare(net, inputs, prior, metric) > 0


@pytest.mark.parametrize("family", WITH_MAP)
@pytest.mark.parametrize("metric", ["row", "weight"])
def test_every_family(family, metric):
    net, inputs = MLP.net(), MLP.data()[0]
    prior = GuidedPrior(MLP.architecture(net), WITH_MAP[family], guidance.linear(), rest=Normal(strength=0.3))
    compare(net, inputs, prior, metric, steps=15 if family == "GroupSqrtLaplace" else 60)


@pytest.mark.parametrize("metric", ["row", "weight"])
@pytest.mark.parametrize("scenario", [MLP, RESIDUAL], ids=lambda s: s.name)
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_protected_units(metric, scenario, penalised):
    net, inputs = scenario.net(), scenario.data()[0]
    prior = GuidedPrior(
        scenario.architecture(net), Laplace(strength=30.0), guidance.step(2.0), rest=Normal(strength=0.3), penalised=penalised
    )
    compare(net, inputs, prior, metric, steps=60)
    for rows in prior.architecture.rows(net).values():
        assert (rows != 0).any(dim=1).tolist() == [True, True] + [False] * (len(rows) - 2)


@pytest.mark.parametrize("metric", ["row", "weight"])
def test_a_protected_unit_whose_norm_starts_at_zero_keeps_its_other_weights(metric):
    net, inputs = RESIDUAL.net(), RESIDUAL.data()[0]
    with torch.no_grad():
        net.norm1.weight[0] = net.norm1.bias[0] = 0
    profile = guidance.custom({"conv1": torch.tensor([0.0, 1.0, 1.0])})
    prior = GuidedPrior(RESIDUAL.architecture(net), GroupLaplace(strength=1.0), profile, penalised="norm")
    optimizer = ProximalAdam(net, prior, dataset_size=20, warmup_steps=0, metric=metric)
    loss_of(net, inputs).backward()
    net.norm1.weight.grad[0] = net.norm1.bias.grad[0] = 0
    optimizer.step()
    assert not net.norm1.weight[0] and not net.norm1.bias[0]  # noqa: PT018
    assert bool((net.conv1.weight[0] != 0).all())


@pytest.mark.parametrize("metric", ["row", "weight"])
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_frozen_weights_neither_move_nor_vanish(metric, penalised):
    net, inputs = RESIDUAL.net(), RESIDUAL.data()[0]
    for frozen in (net.conv2.weight, net.norm1.weight, net.norm1.bias, net.head.bias):
        frozen.requires_grad_(False)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    prior = GuidedPrior(RESIDUAL.architecture(net), GroupLaplace(strength=300.0), guidance.linear(), penalised=penalised)
    optimizer = ProximalAdam(net, prior, dataset_size=20, lr=0.01, warmup_steps=0, metric=metric)
    for _ in range(30):
        optimizer.zero_grad()
        loss_of(net, inputs).backward()
        optimizer.step()
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    # What is left of the stem's rows vanishes; conv1's norm is frozen, so nothing of conv1 is pressed on by the norm.
    assert not net.norm2.weight.any()
    assert bool(net.conv1.weight.any()) == (penalised == "norm")


@pytest.mark.parametrize("metric", ["row", "weight"])
def test_weights_without_a_gradient_stay_as_they_are(metric):
    net, inputs = MLP.net(), MLP.data()[0]
    prior = GuidedPrior(MLP.architecture(net), GroupLaplace(strength=300.0))
    optimizer = ProximalAdam(net, prior, dataset_size=20, warmup_steps=0, metric=metric)
    loss_of(net, inputs).backward()
    net[2].weight.grad = net[2].bias.grad = net[0].bias.grad = None
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer.step()
    changed = [name for name, parameter in net.named_parameters() if not torch.equal(parameter, before[name])]
    assert changed == ["0.weight", "4.weight", "4.bias"]


@pytest.mark.parametrize("metric", ["row", "weight"])
def test_the_momentum_of_dead_rows_is_forgotten_and_that_of_the_others_is_not(metric):
    """It would decay into denormal numbers, on which every further step is slow."""
    net, inputs = MLP.net(), MLP.data()[0]
    prior = GuidedPrior(MLP.architecture(net), GroupLaplace(strength=1e4), guidance.step(2.0))
    optimizer = ProximalAdam(net, prior, dataset_size=20, warmup_steps=0, metric=metric)
    for _ in range(64):
        optimizer.zero_grad()
        loss_of(net, inputs).backward()
        optimizer.step()
    for layer in (net[0], net[2]):
        momentum = optimizer.state[layer.weight]["exp_avg"]
        assert not momentum[2:].any()
        assert bool((momentum[:2] != 0).any(dim=1).all())
