"""Members stacked in one optimiser step exactly as each would alone."""

import pytest
import torch
from torch import Tensor, nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture
from bayes_guided.optim import ProximalAdam
from bayes_guided.priors import GroupLaplace, GuidedPrior, Laplace, Normal, TreeGroupLaplace
from tests.architecture.zoo import CASES
from tests.scenarios import MLP, RESIDUAL, WITH_MAP

ZOO = {case.name: case for case in CASES}
COUPLED = ["mlp", "batch_norm", "flatten", "residual", "dense", "grouped", "depthwise_separable", "autoencoder", "chunk"]
SETTINGS = {"dataset_size": 20, "lr": 0.05, "warmup_steps": 2}
MEMBERS = 3


def members_of(net: nn.Module, *, across: bool) -> dict[str, nn.Parameter]:
    """Other weights for every member; `across` lays matrices out with their rows across the memory."""
    stacked = {}
    for name, parameter in net.named_parameters():
        values = parameter.detach() + 0.1 * torch.randn(MEMBERS, *parameter.shape, dtype=parameter.dtype)
        if across and parameter.dim() == 2:
            values = values.mT.contiguous().mT
        stacked[name] = nn.Parameter(values, requires_grad=parameter.requires_grad)
    return stacked


def put(net: nn.Module, values: dict[str, Tensor], member: int) -> None:
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(values[name][member])


def compare(nets: list[nn.Module], prior: GuidedPrior, metric: str, *, steps: int = 8, across: bool = False) -> int:
    """Steps on the same random gradients, members together and one by one; the number of zero rows at the end."""
    stacked = members_of(nets[0], across=across)
    together = ProximalAdam(nets[0], prior, metric=metric, stacked=stacked, **SETTINGS)
    alone = []
    for member, net in enumerate(nets):
        put(net, stacked, member)
        alone.append(ProximalAdam(net, prior, metric=metric, **SETTINGS))
    for _ in range(steps):
        for name, parameter in stacked.items():
            if parameter.requires_grad:
                parameter.grad = 0.1 * torch.randn_like(parameter)
                for member, net in enumerate(nets):
                    net.get_parameter(name).grad = parameter.grad[member].clone()
        together.step()
        for optimizer in alone:
            optimizer.step()
    zeros = 0
    for member, net in enumerate(nets):
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(stacked[name][member], parameter, rtol=1e-9, atol=1e-12, msg=name)
            assert torch.equal(stacked[name][member] == 0, parameter == 0)
        zeros += sum(int((rows == 0).all(dim=1).sum()) for rows in prior.architecture.rows(net).values())
    return zeros


def several(build) -> list[nn.Module]:
    return [build().double() for _ in range(MEMBERS)]


@pytest.mark.parametrize("name", COUPLED)
@pytest.mark.parametrize("metric", ["row", "weight"])
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_wherever_the_rows_lie(name, metric, penalised):
    nets = several(ZOO[name].net)
    architecture = Architecture.from_module(nets[0], ZOO[name].example().double())
    prior = GuidedPrior(
        architecture, GroupLaplace(strength=20.0), guidance.linear(), rest=Normal(strength=0.3), penalised=penalised
    )
    assert compare(nets, prior, metric) > 0


@pytest.mark.parametrize("family", WITH_MAP)
@pytest.mark.parametrize("metric", ["row", "weight"])
def test_every_family(family, metric):
    nets = several(MLP.net)
    compare(nets, GuidedPrior(MLP.architecture(nets[0]), WITH_MAP[family], guidance.linear()), metric)


@pytest.mark.parametrize("metric", ["row", "weight"])
def test_protected_and_frozen_weights(metric):
    nets = several(RESIDUAL.net)
    for net in nets:
        net.conv2.weight.requires_grad_(False)
        net.head.bias.requires_grad_(False)
    prior = GuidedPrior(RESIDUAL.architecture(nets[0]), Laplace(strength=30.0), guidance.step(2.0))
    assert compare(nets, prior, metric) > 0


def test_rows_coupled_by_the_tree():
    """Coupled within each member, not across members."""
    nets = several(MLP.net)
    assert compare(nets, GuidedPrior(MLP.architecture(nets[0]), TreeGroupLaplace(strength=5.0)), "row", steps=66) > 0


@pytest.mark.parametrize("metric", ["row", "weight"])
def test_rows_across_the_memory(metric):
    nets = several(MLP.net)
    compare(nets, GuidedPrior(MLP.architecture(nets[0]), GroupLaplace(strength=2.0)), metric, across=True)


def test_a_restored_state_lies_in_memory_as_the_parameters_do():
    """Else every step after a resume would walk along two layouts, far slower."""
    net = MLP.net().double()
    stacked = members_of(net, across=True)
    optimizer = ProximalAdam(net, GuidedPrior(MLP.architecture(net), GroupLaplace(strength=2.0)), stacked=stacked, **SETTINGS)
    for parameter in stacked.values():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    before = optimizer.state_dict()
    for moments in before["state"].values():
        moments |= {name: value.contiguous() for name, value in moments.items()}
    optimizer.load_state_dict(before)
    for parameter in stacked.values():
        momentum = optimizer.state[parameter]["exp_avg"]
        assert momentum.stride() == parameter.stride()
        assert bool(momentum.any())
