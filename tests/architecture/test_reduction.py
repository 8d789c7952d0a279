"""The reduced network computes what the network with silent units computes."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bayes_guided.architecture import Architecture, SubArchitecture, reduce
from bayes_guided.exceptions import ArchitectureMismatchError, ReductionError
from tests.architecture.zoo import Case, architecture, every_case, run
from tests.architecture.zoo_nets import Residual, mlp


def silenced(net: nn.Module, sub: SubArchitecture) -> nn.Module:
    """The full-size network with the rows of the units that are off at zero."""
    silent = copy.deepcopy(net)
    rows = sub.architecture.rows(net)
    with torch.no_grad():
        sub.architecture.write_rows(silent, {name: r * sub.masks[name][:, None].to(r) for name, r in rows.items()})
    return silent


def assert_same_outputs(small: nn.Module, silent: nn.Module, example: object, tolerance: float = 1e-5) -> None:
    for actual, expected in zip(run(small, example), run(silent, example), strict=True):
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max() <= tolerance * expected.abs().max()


@every_case
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_random_masks(case: Case, data: st.DataObject) -> None:
    found, net = architecture(case), case.net()
    masks = {}
    for group in found.groups:
        lists = st.lists(st.booleans(), min_size=group.size, max_size=group.size)
        bits = data.draw(lists if group.removable_whole else lists.filter(any))
        masks[group.name] = torch.tensor(bits)
    sub = found.sub_architecture(masks)
    before = copy.deepcopy(net.state_dict())
    small = reduce(net, sub)
    assert_same_outputs(small, silenced(net, sub), case.example())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in small.modules())


@every_case
def test_the_full_sub_architecture_changes_nothing(case: Case) -> None:
    net = case.net()
    small = reduce(net, architecture(case).full())
    if any(group.folds for group in architecture(case).groups):
        assert_same_outputs(small, net, case.example())
        return
    assert all(torch.equal(a, b) for a, b in zip(small.state_dict().values(), net.state_dict().values(), strict=True))


@every_case
def test_a_reduced_network_can_be_reduced_again(case: Case) -> None:
    net = case.net()
    found = architecture(case)
    sub = found.sub_architecture({g.name: torch.arange(g.size) % 2 == 0 for g in found.groups if g.size > 3})
    small = reduce(net, sub)
    if any(width < 2 for width in sub.widths.values()):
        return
    again = Architecture.from_module(small, case.example())
    masks = {g.name: (torch.arange(g.size) > 0) | g.removable_whole for g in again.groups}
    last = again.sub_architecture(masks)
    assert_same_outputs(reduce(small, last), silenced(small, last), case.example())


def test_one_forgotten_channel_would_be_seen() -> None:
    """The comparison of this file can fail: another mask gives another function."""
    net = Residual().eval()
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    mask = torch.tensor([True, True, True, False, True, True])
    small = reduce(net, found.sub_architecture({"stem": mask}))
    other = silenced(net, found.sub_architecture({"stem": mask.flip(0)}))
    with pytest.raises(AssertionError):
        assert_same_outputs(small, other, torch.randn(2, 3, 8, 8))


def test_modes_and_frozen_parameters_are_kept() -> None:
    net = Residual()
    net.norm0.eval()
    net.conv1.weight.requires_grad_(False)
    net.conv1.weight.grad = torch.ones_like(net.conv1.weight)
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    small = reduce(net, found.sub_architecture({"stem": torch.arange(6) < 4, "conv1": torch.arange(5) < 2}))
    assert [m.training for m in small.modules()] == [m.training for m in net.modules()]
    assert [p.requires_grad for p in small.parameters()] == [p.requires_grad for p in net.parameters()]
    assert all(p.grad is None for p in small.parameters())
    assert net.conv1.weight.grad is not None
    # It trains: a step runs and changes it.
    small(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert small.get_parameter("stem.weight").grad is not None


def test_grouped_and_depthwise_layers_say_their_new_sizes() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=4),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 2, 1),
    )
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    small: Any = reduce(net, found.sub_architecture({g.name: torch.tensor([True, False]) for g in found.groups}))
    assert (small[2].in_channels, small[2].out_channels, small[2].groups) == (4, 4, 4)
    assert (small[4].in_channels, small[4].out_channels, small[4].groups) == (4, 4, 4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mode", ["linear", "unpadded", "reflect", "grouped"])
def test_the_constant_of_a_silent_sigmoid_is_folded(mode: str, bias: bool) -> None:
    layers: dict[str, list[nn.Module]] = {
        "linear": [nn.Flatten(), nn.Linear(3 * 36, 6), nn.Sigmoid(), nn.Linear(6, 2, bias=bias)],
        "unpadded": [nn.Conv2d(3, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 2, 3, bias=bias)],
        "reflect": [nn.Conv2d(3, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 2, 3, padding=1, padding_mode="reflect", bias=bias)],
        "grouped": [nn.Conv2d(3, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 4, 3, groups=2, bias=bias)],
    }
    net = nn.Sequential(*layers[mode])
    x = torch.randn(2, 3, 6, 6)
    found = Architecture.from_module(net, x)
    (group,) = found.groups
    sub = found.sub_architecture({group.name: torch.arange(group.size) % 3 != 1})
    small: Any = reduce(net, sub)
    assert_same_outputs(small, silenced(net, sub), torch.randn(5, 3, 6, 6))
    assert small[-1].bias is not None
    assert (net[-1].bias is not None) == bias


def test_a_constant_that_meets_zero_padding_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 2, 3, padding=1))
    found = Architecture.from_module(net, torch.randn(2, 3, 6, 6))
    sub = found.sub_architecture({"0": torch.tensor([True, True, False, True, False, True])})
    with pytest.raises(ReductionError, match=r"units \[2, 4\] of group '0'.*pads with zeros.*keep these units"):
        reduce(net, sub)


def test_a_silent_unit_that_still_varies_is_refused() -> None:
    class Positional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(2, 4, 1), nn.Conv1d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.cos(self.a(x) * torch.arange(x.shape[-1])) + torch.arange(x.shape[-1]))

    found = Architecture.from_module(Positional(), torch.randn(2, 2, 5))
    with pytest.raises(ReductionError, match=r"units \[3\] of group 'a'.*varies"):
        reduce(Positional(), found.sub_architecture({"a": torch.arange(4) < 3}))


def test_a_network_that_mixes_channels_outside_the_example_is_refused() -> None:
    """Discovery cannot see a switch that is thrown later; the comparison at every call can."""

    class Switch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(5, 6), nn.Linear(6, 2)
            self.mean = False

        def forward(self, x: Tensor) -> Tensor:
            h = torch.relu(self.a(x))
            return self.b(h) + (h.mean(1, keepdim=True) if self.mean else 0.0)

    net = Switch()
    found = Architecture.from_module(net, torch.randn(4, 5))
    net.mean = True
    with pytest.raises(ReductionError, match="differ"):
        reduce(net, found.sub_architecture({"a": torch.arange(6) < 3}))


def test_a_network_that_takes_only_positive_inputs() -> None:
    class Logarithm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            return self.net(torch.log(x))

    net, x = Logarithm(), torch.rand(4, 5) + 0.1
    found = Architecture.from_module(net, x)
    sub = found.sub_architecture({"net.0": torch.arange(8) < 3})
    assert_same_outputs(reduce(net, sub), silenced(net, sub), x)


def test_outputs_that_are_not_finite_are_refused() -> None:
    net = mlp(nn.ReLU())
    found = Architecture.from_module(net, torch.randn(4, 5))
    with torch.no_grad():
        net[2].bias[0] = float("nan")
    with pytest.raises(ReductionError, match="not finite"):
        reduce(net, found.sub_architecture({"0": torch.arange(8) < 3}))


def test_an_emptied_group() -> None:
    net = mlp(nn.Sigmoid())
    found = Architecture.from_module(net, torch.randn(4, 5))
    sub = found.sub_architecture({"2": torch.zeros(6, dtype=torch.bool)}, allow_empty=True)
    assert_same_outputs(reduce(net, sub), silenced(net, sub), torch.randn(4, 5))


def test_an_emptied_group_that_breaks_the_network_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 3))
    found = Architecture.from_module(net, torch.randn(2, 3, 6, 6))
    sub = found.sub_architecture({"0": torch.zeros(6, dtype=torch.bool)}, allow_empty=True)
    with pytest.raises(ReductionError, match="keep more units"):
        reduce(net, sub)


def test_another_network_is_refused() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(4, 5))
    with pytest.raises(ArchitectureMismatchError):
        reduce(Residual(), found.full())


def test_double_precision_after_discovery_in_single() -> None:
    net = Residual()
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    sub = found.sub_architecture({"stem": torch.arange(6) < 3})
    small = reduce(net.double(), sub)
    assert_same_outputs(small, silenced(net, sub), torch.randn(2, 3, 8, 8, dtype=torch.float64), tolerance=1e-12)


def test_the_callers_random_state_is_kept() -> None:
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    found = Architecture.from_module(net, torch.randn(4, 5))
    before = torch.get_rng_state()
    reduce(net, found.sub_architecture({"0": torch.arange(8) < 3}))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_found_on_the_cpu_and_reduced_on_cuda() -> None:
    net = Residual()
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    sub = found.sub_architecture({"stem": torch.arange(6) < 3})
    small = reduce(net.cuda(), sub)
    assert all(parameter.is_cuda for parameter in small.parameters())
    assert_same_outputs(small, silenced(net, sub), torch.randn(2, 3, 8, 8, device="cuda"))
    assert Architecture.from_module(net, torch.randn(2, 3, 8, 8, device="cuda")).fingerprint == found.fingerprint
