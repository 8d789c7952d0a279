"""Units that are gates: what a row is, what leaves with it, and where its value goes."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bayes_guided.architecture import Architecture, Role, load_reduced, reduce, save_reduced
from bayes_guided.exceptions import CheckpointError, MaskError, NoPrunableUnitsError
from bayes_guided.nn import Gate, GatedBlock, HeadAttention, Select, Skipped, Zero
from tests.architecture.gated_nets import Encoder, GatedBranches, gated_inputs, gated_mlp
from tests.architecture.test_reduction import assert_same_outputs, silenced
from tests.architecture.zoo import CASES, Case, architecture

GATED = [case for case in CASES if any(isinstance(m, Gate) for m in case.build().modules())]
every_gated_case = pytest.mark.parametrize("case", GATED, ids=lambda case: case.name)


def block(on: bool) -> Tensor:
    return torch.tensor([on])


@every_gated_case
def test_a_row_is_its_gate_alone(case: Case) -> None:
    found, net = architecture(case), case.net()
    modules = dict(net.named_modules())
    gated = [group for group in found.groups if group.is_gated]
    assert gated
    for group in gated:
        gates = [modules[layer] for layer in group.layers]
        assert all(isinstance(gate, Gate) for gate in gates)
        roles = [Role.SIGNED_GATE if gate.signed else Role.GATE for gate in gates]
        assert [entry.role for entry in group.blocks] == roles
        assert group.row_dim == sum(entry.index.shape[1] for entry in group.blocks)
    owned = {entry.parameter for group in found.groups for entry in group.blocks} | {b.parameter for b in found.rest}
    assert owned == {name for name, _ in net.named_parameters()}


FOLDS = {
    "gate_before_relu": {"1": {("3", "in")}, "4": {("6", "in")}},
    "gate_after_relu": {"2": {("3", "in")}, "5": {("6", "in")}},
    "gate_that_cannot_be_folded": {"2": set()},
    "gate_before_norm": {"1": {("0", "out")}},
    "gate_on_inputs": {"inputs": {("net.0", "in")}},
    "gate_on_normalised_inputs": {"0": set()},
    "gate_that_selects": {"gate": {("hidden", "in")}},
    "gate_on_concatenation": {"left": set(), "right": set()},
    "gate_on_stream": {"gate": {("up", "in")}},
    "gated_branches": {"gate1": {("norm2", "out")}, "gate2": set()},
    "transformer_gated_heads": {"attention.gate": {("attention.out_proj", "in")}},
}


@pytest.mark.parametrize("case", [c for c in GATED if c.name in FOLDS], ids=lambda case: case.name)
def test_where_gates_are_folded(case: Case) -> None:
    found = architecture(case)
    folds = {group.name: {(cut.module, cut.side) for cut in group.folds} for group in found.groups if group.is_gated}
    assert folds == FOLDS[case.name]


@every_gated_case
def test_folded_gates_are_gone_and_others_keep_the_units_that_are_left(case: Case) -> None:
    found, net = architecture(case), case.net()
    sub = found.sub_architecture({g.name: torch.arange(g.size) % 2 == 0 for g in found.groups})
    left = dict(reduce(net, sub).named_modules())
    for group in found.groups:
        for entry in group.blocks if group.is_gated else ():
            gate = left.get(entry.parameter.removesuffix(".weight"))
            assert isinstance(gate, Gate) == (not group.folds)
            if isinstance(gate, Gate) and entry.index.numel() == len(net.get_parameter(entry.parameter)):
                assert gate.size == sub.widths[group.name] * entry.index.shape[1]


def test_a_signed_gate_is_not_moved_past_a_relu() -> None:
    found = Architecture.from_module(gated_mlp(before=True, signed=True), torch.randn(4, 5))
    assert {(cut.module, cut.side) for cut in found.group("1").folds} == {("0", "out")}


def test_a_gate_is_not_moved_past_what_is_only_linear_on_the_example() -> None:
    """ReLU6 on small values looks like a ReLU; it is not one."""
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), Gate(8), nn.ReLU6(), nn.Linear(8, 2))
    found = Architecture.from_module(net, 0.01 * torch.randn(4, 5))
    assert found.group("2").folds == ()


def test_inputs_that_are_removed_are_not_read() -> None:
    net = gated_inputs().eval()
    found = Architecture.from_module(net, torch.randn(4, 5))
    sub = found.sub_architecture({"inputs": torch.tensor([False, True, False, True, True])})
    small = reduce(net, sub)
    assert isinstance(small.get_submodule("inputs"), Select)
    assert small.get_parameter("net.0.weight").shape == (8, 3)
    x = torch.randn(4, 5)
    expected = small(x)
    x[:, [0, 2]] = float("nan")
    assert torch.equal(small(x), expected)
    assert sub.num_parameters == found.full().num_parameters - 2 * 8
    assert sub.macs == found.full().macs - 2 * 8


def test_a_block_that_is_off_is_really_removed() -> None:
    net = GatedBranches().eval()
    x = torch.randn(2, 3, 8, 8)
    found = Architecture.from_module(net, x)
    sub = found.sub_architecture({"gate1": block(False), "gate2": block(False)})
    small = reduce(net, sub)
    kinds = {name: type(module) for name, module in small.named_modules()}
    assert kinds["gate1"] == kinds["gate2"] == Zero
    assert all(kinds[name] == Skipped for name in ("conv1", "norm1", "conv2", "norm2", "inner"))
    assert {name.partition(".")[0] for name, _ in small.named_parameters()} == {"stem", "shortcut", "head"}
    assert sub.num_parameters == sum(p.numel() for p in small.parameters()) == 6 * 28 + 6 * 7 + 3 * 7
    assert sub.macs == 64 * 27 * 6 + 16 * 36 + 18
    assert_same_outputs(small, silenced(net, sub), x)


def test_only_what_the_gate_alone_leads_to_the_output_is_removed() -> None:
    """The first layer of the branch also feeds a head of its own, and the second shares its weight with that head."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.third, self.gate = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5), Gate(1)
            self.other = nn.Linear(5, 5)
            self.other.weight = self.second.weight

        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(self.first(x))
            return x + self.gate(self.third(torch.tanh(self.second(y)))) + self.other(y)

    found = Architecture.from_module(Shared(), torch.randn(2, 5))
    whole = [cut.module for cut in found.group("gate").cuts if cut.side == "whole"]
    assert whole == ["third", "gate"]


def test_a_gate_without_a_sum_after_it_is_protected() -> None:
    with pytest.raises(NoPrunableUnitsError, match=r"1 \(1 units\)"):
        Architecture.from_module(nn.Sequential(nn.Linear(5, 1), Gate(1), nn.LayerNorm(1)), torch.randn(2, 5))


def test_blocks_may_be_empty_and_so_may_what_lies_in_them() -> None:
    found = Architecture.from_module(GatedBranches(), torch.randn(2, 3, 8, 8))
    assert [group.name for group in found.groups if group.removable_whole] == ["gate1", "gate2"]
    assert found.group("conv1").inside == ("gate1",)
    nothing = torch.zeros(5, dtype=torch.bool)
    with pytest.raises(MaskError, match="'conv1' leaves no unit"):
        found.sub_architecture({"conv1": nothing})
    sub = found.sub_architecture({"conv1": nothing, "gate1": block(False)})
    assert found.collapsed(sub.widths) == []
    assert found.collapsed({**sub.widths, "gate1": 1, "stem": 0}) == ["stem", "conv1"]
    reduce(GatedBranches().eval(), sub)


def test_the_width_of_a_block_multiplies_all_its_costs() -> None:
    found = Architecture.from_module(GatedBranches(), torch.randn(2, 3, 8, 8))
    stem = torch.arange(1.0, 7.0, dtype=torch.float64)
    for gate in (0, 1):
        parameters = found.costs.parameters({"stem": stem, "gate1": torch.tensor(float(gate)).double()})
        assert parameters.tolist() == [found.costs.parameters({"stem": i, "gate1": gate}) for i in range(1, 7)]
    assert found.costs.unit_parameters("gate1") == 5 * 55 + 10 + 6 * 46 + 12
    assert found.costs.unit_macs("gate1") == 16 * (5 * 54 + 6 * 45)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("gated", ["", "heads", "blocks"])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_encoders_in_every_mode(gated: str, norm_first: bool) -> None:
    """Training (without dropout) and evaluation, with and without gradients, on sequences of other lengths."""
    net = Encoder(layers=3, norm_first=norm_first, gated=gated)
    found = Architecture.from_module(net, torch.randn(2, 6, 3))
    masks = {g.name: torch.arange(g.size) % 3 != 1 for g in found.groups}
    if gated == "blocks":
        masks["encoder.layers.0.gate"] = block(False)
    sub = found.sub_architecture(masks)
    silent, small = silenced(net, sub), reduce(net, sub)
    x = torch.randn(5, 9, 3)
    for training in (True, False):
        for gradients in (True, False):
            with torch.set_grad_enabled(gradients):
                expected, actual = silent.train(training)(x), small.train(training)(x)
            torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_heads_and_their_rows() -> None:
    attention = nn.MultiheadAttention(8, 4, batch_first=True)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = attention, nn.Linear(8, 2)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return self.out(self.attention(x, x, x, attn_mask=mask, need_weights=False)[0])

    net, x = Net().eval(), torch.randn(3, 5, 8)
    mask = torch.rand(3 * 4, 5, 5) < 0.3
    mask[..., 0] = False
    found = Architecture.from_module(net, (x, mask))
    rows = found.rows(net)["attention"]
    assert rows.shape == (4, 3 * 2 * 8 + 3 * 2)
    query, key, value = attention.in_proj_weight.chunk(3)
    expected = [part[4:6].flatten() for part in (query, key, value)]
    assert torch.equal(rows[2, :48], torch.cat(expected))
    sub = found.sub_architecture({"attention": torch.tensor([True, False, True, False])})
    small = reduce(net, sub)
    inner = small.get_submodule("attention")
    assert isinstance(inner, HeadAttention)
    assert (inner.num_heads, inner.kept.tolist()) == (2, [0, 2])
    # A mask per head is still given for all heads.
    assert_same_outputs(small, silenced(net, sub), (x, mask))
    again = Architecture.from_module(small, (x, mask))
    last = again.sub_architecture({"attention": torch.tensor([False, True])})
    assert_same_outputs(reduce(small, last), silenced(small, last), (x, mask))
    assert sub.num_parameters == sum(p.numel() for p in small.parameters())


def test_weights_averaged_over_heads_protect_them() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.attention, self.out = nn.Linear(8, 6), nn.MultiheadAttention(8, 4), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            output, weights = self.attention(x, x, x)
            return self.out(torch.relu(self.hidden(output))), weights

    found = Architecture.from_module(Net(), torch.randn(5, 2, 8))
    assert [group.name for group in found.groups] == ["hidden"]
    reasons = {layer.name: (layer.size, layer.reason) for layer in found.protected}
    assert reasons["attention"][0] == 4
    assert "mixes" in reasons["attention"][1]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"kdim": 3, "vdim": 3}, "another width"),
        ({"add_bias_kv": True}, "of its own"),
        ({"add_zero_attn": True}, "of its own"),
    ],
)
def test_attention_that_cannot_be_taken_apart(settings: dict[str, Any], reason: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **settings)
            self.hidden, self.out = nn.Linear(8, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor, memory: Tensor) -> Tensor:
            return self.out(torch.relu(self.hidden(self.attention(x, memory, memory)[0])))

    net, memory = Net(), torch.randn(2, 5, settings.get("kdim", 8))
    found = Architecture.from_module(net, (torch.randn(2, 7, 8), memory))
    assert [group.name for group in found.groups] == ["hidden"]
    reasons = {layer.name: (layer.size, layer.reason) for layer in found.protected}
    assert reasons["attention"][0] == 2
    assert reason in reasons["attention"][1]
    assert found.full().num_parameters == sum(p.numel() for p in net.parameters())
    assert found.full().macs == 7 * 64 + 2 * 5 * 8 * memory.shape[-1] + 7 * (64 + 48 + 12)


@every_gated_case
def test_saved_without_half_of_everything(case: Case, tmp_path: Path) -> None:
    """Blocks among it, which the round trip of the zoo keeps."""
    found, net = architecture(case), case.net()
    masks = {g.name: torch.arange(g.size) % 2 == (1 if g.removable_whole else 0) for g in found.groups}
    sub = found.sub_architecture(masks)
    small = reduce(net, sub)
    save_reduced(small, sub, tmp_path)
    loaded = load_reduced(tmp_path, case.build())
    assert_same_outputs(loaded, small, case.example(), tolerance=0.0)
    assert [type(module) for module in loaded.modules()] == [type(module) for module in small.modules()]


@pytest.mark.parametrize(
    "changes",
    [
        {"folded_gates": ["embed"]},
        {"removed": [{"layer": "encoder.layers.0.self_attn", "side": "out", "positions": [0, 1]}]},
        {"removed": [{"layer": "encoder.layers.0.self_attn", "side": "whole", "positions": [1]}]},
    ],
)
def test_plans_that_do_not_fit(changes: dict[str, object], tmp_path: Path) -> None:
    net = Encoder(gated="heads")
    found = Architecture.from_module(net, torch.randn(2, 6, 3))
    save_reduced(reduce(net, found.full()), found.full(), tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**plan, **changes}))
    with pytest.raises(CheckpointError, match=r"plan\.json asks to"):
        load_reduced(tmp_path, Encoder(gated="heads"))


def test_a_reduced_network_trains_and_copies() -> None:
    net = nn.Sequential(nn.Linear(3, 8), GatedBlock(nn.Linear(8, 8)), Encoder().encoder, nn.Linear(8, 1))
    x = torch.randn(2, 6, 3)
    found = Architecture.from_module(net, x)
    small = copy.deepcopy(reduce(net, found.sub_architecture({"1.gate": block(False)})))
    small(x).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_gated_case
def test_found_on_the_cpu_and_reduced_on_cuda(case: Case) -> None:
    found, net = architecture(case), case.net().cuda()
    sub = found.sub_architecture({g.name: torch.arange(g.size) % 2 == 0 for g in found.groups})
    small = reduce(net, sub)
    assert all(value.is_cuda for value in (*small.parameters(), *small.buffers()))
    assert_same_outputs(small.cpu(), silenced(net, sub).cpu(), case.example())
    assert Architecture.from_module(net, _on_cuda(case.example())).fingerprint == found.fingerprint


def _on_cuda(example: Any) -> Any:
    return tuple(x.cuda() for x in example) if isinstance(example, tuple) else example.cuda()
