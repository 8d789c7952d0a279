"""Gates are put where they are asked for, and change nothing until they are trained."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bayes_guided import nets
from bayes_guided.architecture import Architecture, reduce
from bayes_guided.exceptions import ExampleInputError, GateError
from bayes_guided.nn import Gate, GatedBlock, GatedInputs, HeadAttention
from tests.architecture.gated_nets import Encoder
from tests.architecture.test_reduction import assert_same_outputs, silenced
from tests.architecture.zoo import run
from tests.architecture.zoo_nets import TokenMLP, TwoInputs, mlp


def gates(net: nn.Module) -> dict[str, int]:
    return {name: module.size for name, module in net.named_modules() if isinstance(module, Gate)}


def test_inputs() -> None:
    net, x = mlp(nn.ReLU()), torch.randn(4, 5)
    gated, found = Architecture.with_gates(net, x, inputs=True)
    assert isinstance(gated, GatedInputs)
    assert {group.name: (group.size, group.row_dim) for group in found.groups} == {
        "inputs": (5, 1),
        "net.0": (8, 6),
        "net.2": (6, 9),
    }
    assert torch.equal(gated(x), net(x))
    assert not {id(p) for p in net.parameters()} & {id(p) for p in gated.parameters()}


def test_inputs_by_keyword() -> None:
    net = TwoInputs()
    example = {"image": torch.randn(4, 1, 6, 6), "vector": torch.randn(4, 5)}
    gated, found = Architecture.with_gates(net, example, inputs="vector")
    assert found.group("inputs").size == 5
    sub = found.sub_architecture({"inputs": torch.tensor([True, False, True, False, False])})
    assert_same_outputs(reduce(gated, sub), silenced(gated, sub), example)
    with pytest.raises(GateError, match="keyword 'vector'"):
        gated(*example.values())


def test_features_that_come_last() -> None:
    net, x = TokenMLP(), torch.randn(4, 6, 3)
    gated, found = Architecture.with_gates(net, x, inputs=True, input_axis=-1)
    assert found.group("inputs").size == 3
    small = reduce(gated, found.sub_architecture({"inputs": torch.tensor([True, False, True])}))
    assert small.get_parameter("net.first.weight").shape == (4, 2)


def test_residual_blocks_and_their_inner_units() -> None:
    net, x = nets.resnet20(), torch.randn(2, 3, 16, 16)
    names = ["blocks.1", "blocks.2", "blocks.4", "blocks.5", "blocks.7", "blocks.8"]
    gated, found = Architecture.with_gates(net, x, blocks=names)
    assert [group.name for group in found.groups if group.size == 1] == [f"{name}.gate" for name in names]
    for expected, actual in zip(run(net, x), run(gated, x), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    sub = found.sub_architecture({f"{name}.gate": torch.tensor([False]) for name in names})
    small = reduce(gated, sub)
    one_block_each = copy.deepcopy(net)
    one_block_each.blocks = nn.ModuleList([net.blocks[0], net.blocks[3], net.blocks[6]])
    assert_same_outputs(small, one_block_each, x)
    assert sub.num_parameters == sum(p.numel() for p in one_block_each.parameters())
    assert sub.macs == Architecture.from_module(one_block_each, x).full().macs
    assert sub.num_parameters == sum(p.numel() for p in small.parameters())


def test_a_block_inside_a_block() -> None:
    net = nn.Sequential(nn.Linear(5, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)), nn.Linear(4, 2))
    gated, found = Architecture.with_gates(net, torch.randn(3, 5), blocks=["1"], branches=["1.1"], signed=True)
    assert gates(gated) == {"1.block.1.gate": 1, "1.gate": 1}
    assert all(module.signed for module in gated.modules() if isinstance(module, Gate))
    assert found.group("1.gate").inside == ()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_heads_by_name_and_all() -> None:
    net, x = Encoder(), torch.randn(4, 6, 3)
    by_name, found = Architecture.with_gates(net, x, heads=["encoder.layers.1.self_attn"])
    assert isinstance(by_name.get_submodule("encoder.layers.1.self_attn"), HeadAttention)
    assert [group.row_dim for group in found.groups if "attn" in group.name] == [54, 1]
    everything, found = Architecture.with_gates(
        net, x, heads=True, blocks=["encoder.layers.0", "encoder.layers.1"], inputs=True, input_axis=-1
    )
    layer = "net.encoder.layers.{}"
    assert gates(everything) == {"inputs": 3} | {
        f"{layer.format(i)}.{name}": size for i in range(2) for name, size in (("block.self_attn.gate", 4), ("gate", 1))
    }
    assert found.group(f"{layer.format(1)}.block.self_attn.gate").inside == (f"{layer.format(1)}.gate",)
    for expected, actual in zip(run(net, x), run(everything, x), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_device_dtype_and_mode_are_the_networks() -> None:
    net = Encoder().double().eval()
    gated, _ = Architecture.with_gates(net, torch.randn(4, 6, 3).double(), heads=True, blocks=["encoder.layers.0"])
    assert {parameter.dtype for parameter in gated.parameters()} == {torch.float64}
    assert not any(module.training for module in gated.modules())


def test_the_network_stays_untouched() -> None:
    net, x = Encoder(), torch.randn(4, 6, 3)
    before = copy.deepcopy(net.state_dict())
    Architecture.with_gates(net, x, heads=True, blocks=["encoder.layers.0"], inputs=True, input_axis=-1)
    assert list(net.state_dict()) == list(before)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(isinstance(module, Gate | GatedBlock | HeadAttention) for module in net.modules())


class Branching(nn.Module):
    """A network whose second module changes the width."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(x + self.first(x)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"blocks": ["frist"]}, r"cannot gate 'frist'.*\['first'\]"),
        ({"branches": ["nothing"]}, "no such module"),
        ({"blocks": ["first"], "branches": ["first"]}, "in blocks and in branches"),
        ({"blocks": ["second"]}, r"\(2, 5\) into \(2, 3\).*branches"),
        ({"heads": True}, "no nn.MultiheadAttention"),
        ({"heads": ["first"]}, "'first' is a Linear"),
        ({"inputs": "x"}, "keyword argument 'x'"),
        ({"inputs": True, "input_axis": 2}, r"input_axis=2: the gated input has shape \(2, 5\)"),
    ],
)
def test_gates_that_cannot_be_put(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(GateError, match=words):
        Architecture.with_gates(Branching(), torch.randn(4, 5), **settings)


def test_inputs_that_have_no_gates_or_do_not_run() -> None:
    embedding = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(GateError, match="no floating-point tensor"):
        Architecture.with_gates(embedding, torch.randint(0, 5, (2, 3)), inputs=True)
    with pytest.raises(ExampleInputError, match=r"\(2, 7\)"):
        Architecture.with_gates(Branching(), torch.randn(2, 7), branches=["first"])
