"""Fits of gated networks leave out inputs, blocks and heads, and what is left computes the same."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided import Architecture, GuidedPrior, fit_map, guidance, load_fit
from bayes_guided.likelihoods import Normal as NormalLikelihood
from bayes_guided.priors import GroupLaplace

FIT: dict[str, Any] = {"batch_size": 64, "lr": 2e-2, "seed": 0, "likelihood": NormalLikelihood(scale=1.0), "progress": False}


def seeded(size: tuple[int, ...]) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(1))


def built(build: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def assert_reduces(fit: bg.MAPFit, inputs: Tensor) -> nn.Module:
    small = fit.reduce()
    sub = fit.sub_architecture()
    assert sum(parameter.numel() for parameter in small.parameters()) == sub.num_parameters
    with torch.no_grad():
        torch.testing.assert_close(small(inputs), fit.net(inputs), rtol=1e-4, atol=1e-4)
    return small


def test_inputs_without_influence_are_left_out(tmp_path) -> None:
    """Two of eight features matter; the gates on the others become exactly zero."""
    inputs = seeded((256, 8))
    targets = inputs[:, 2] - torch.tanh(2 * inputs[:, 5])
    net, architecture = Architecture.with_gates(built(lambda: bg.nets.mlp(8, [16], outputs=1)), inputs, inputs=True)
    fit = fit_map(
        net,
        GuidedPrior(architecture, GroupLaplace(strength=10.0), guidance.constant().across({"net.layers.0": 0.05})),
        (inputs, targets),
        epochs=40,
        refit_epochs=2,
        **FIT,
    )
    assert fit.sub_architecture().survivors["inputs"] == [2, 5]
    small = assert_reduces(fit, inputs)
    assert small.get_parameter("net.layers.0.weight").shape[1] == 2
    changed = inputs.clone()
    changed[:, [0, 1, 3, 4, 6, 7]] = 100.0
    assert torch.equal(small(inputs), small(changed))
    assert fit.refit is not None
    assert not any("inputs" in name for name, _ in fit.refit.net.named_parameters())
    fit.save(tmp_path)
    loaded = load_fit(tmp_path, net)
    assert torch.equal(loaded.reduce()(inputs), small(inputs))
    assert loaded.architecture.fingerprint == architecture.fingerprint


class Blocks(nn.Module):
    """Three residual blocks on a stream of width 4; the target needs none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4)) for _ in range(3))
        self.out = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.out(x)


@pytest.mark.parametrize("metric", ["row", "weight"])
def test_blocks_that_are_not_needed_are_left_out(metric: str) -> None:
    inputs = seeded((256, 4))
    targets = inputs.sum(1)
    names = [f"blocks.{i}" for i in range(3)]
    net, architecture = Architecture.with_gates(built(Blocks), inputs, branches=names)
    gates = {f"{name}.gate": 1.0 for name in names}
    prior = GuidedPrior(
        architecture,
        GroupLaplace(strength=100.0),
        guidance.constant().across({g.name: gates.get(g.name, 0.01) for g in architecture.groups}),
    )
    fit = fit_map(net, prior, (inputs, targets), epochs=40, metric=metric, **{**FIT, "lr": 0.1})
    widths = fit.sub_architecture().widths
    assert [widths[name] for name in gates] == [0, 0, 0]
    assert fit.collapsed == []
    small = assert_reduces(fit, inputs)
    assert sum(parameter.numel() for parameter in small.parameters()) == 5
    assert fit.sub_architecture().macs == 4


def test_what_lies_in_a_block_that_is_off_may_be_empty() -> None:
    """Once its gate is zero, nothing holds a block's units against their own penalty; that is no collapse."""
    inputs = seeded((256, 4))
    net, architecture = Architecture.with_gates(built(Blocks), inputs, branches=["blocks.1"])
    with torch.no_grad():
        net.get_parameter("blocks.1.gate.weight").zero_()
    factors = {group.name: 1.0 if group.name.startswith("blocks.1") else 0.001 for group in architecture.groups}
    prior = GuidedPrior(architecture, GroupLaplace(strength=300.0), guidance.constant().across(factors))
    fit = fit_map(net, prior, (inputs, inputs.sum(1)), epochs=30, **FIT)
    assert fit.history.epochs[-1].widths["blocks.1.block.0"] == 0
    assert fit.collapsed == []
    assert fit.sub_architecture().widths["blocks.1.gate"] == 0
    assert_reduces(fit, inputs)


class Tokens(nn.Module):
    """One encoder layer over four tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 4, 8, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.encoder(x)[:, 0])


@pytest.mark.parametrize("gated", [True, False])
def test_heads_are_left_out(gated: bool) -> None:
    """The first token alone decides, so that attention is not needed; with gates D = 1, without the head's weights."""
    inputs = seeded((256, 4, 8))
    targets = torch.relu(inputs[:, 0, 0])
    net = built(Tokens)
    if gated:
        net, architecture = Architecture.with_gates(net, inputs, heads=True)
    else:
        architecture = Architecture.from_module(net, inputs)
    name = "encoder.self_attn.gate" if gated else "encoder.self_attn"
    assert architecture.group(name).row_dim == (1 if gated else 3 * 2 * 8 + 3 * 2)
    factors = {group.name: 1.0 if group.name == name else 0.01 for group in architecture.groups}
    prior = GuidedPrior(architecture, GroupLaplace(strength=20.0 if gated else 4.0), guidance.linear().across(factors))
    fit = fit_map(net, prior, (inputs, targets), epochs=30, allow_empty=True, **FIT)
    assert fit.sub_architecture().widths[name] < 4
    small = assert_reduces(fit, inputs)
    attention = small.get_submodule("encoder.self_attn")
    assert isinstance(attention, bg.nn.HeadAttention)
    assert attention.num_heads == fit.sub_architecture().widths[name]
