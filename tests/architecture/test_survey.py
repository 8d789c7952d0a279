"""What is found in each network of the zoo, and that the network does not notice."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from bayes_guided import nets
from bayes_guided.architecture import Architecture, reduce
from bayes_guided.exceptions import ExampleInputError, NoPrunableUnitsError, ProtectedGroupError, UnsupportedNetworkError
from tests.architecture.zoo import Case, architecture, every_case
from tests.architecture.zoo_nets import Residual, mlp


@every_case
def test_finds_the_units_and_says_why_others_are_protected(case: Case) -> None:
    found = architecture(case)
    assert {group.name: group.size for group in found.groups} == case.widths
    reasons = {layer.name: layer.reason for layer in found.protected}
    assert not set(reasons) & {name for group in found.groups for name in group.layers}
    for name, words in case.protected.items():
        assert words in reasons[name]


@every_case
def test_every_producing_layer_is_in_a_group_or_protected(case: Case) -> None:
    found = architecture(case)
    listed = [name for group in found.groups for name in group.layers] + [layer.name for layer in found.protected]
    producing = {n for n, m in case.net().named_modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)}
    once = [name for name in listed if name in producing]
    assert len(once) == len(set(once))
    # The rows behind a gate are gates; the layers that made them are then named as what else leaves.
    behind = {cut.module for group in found.groups if group.is_gated for cut in group.cuts if cut.side == "out"}
    assert behind & producing | set(once) == producing


def test_a_layer_that_only_training_uses_is_seen() -> None:
    """An auxiliary head reads the trunk in training mode; the trace in evaluation mode cannot know it."""

    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.hidden, self.out = nn.Linear(5, 8), nn.Linear(8, 6), nn.Linear(6, 2)
            self.auxiliary = nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
            x = functional.relu(self.trunk(x))
            y = self.out(functional.relu(self.hidden(x)))
            return (y, self.auxiliary(x)) if self.training else y

    found = Architecture.from_module(Auxiliary(), torch.randn(2, 5))
    assert [group.name for group in found.groups] == ["hidden"]
    assert {layer.name: layer.reason for layer in found.protected}["trunk"].startswith("is used in training mode")


def test_outputs_that_are_not_finite_cannot_be_checked() -> None:
    class Infinite(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = nn.Linear(5, 8), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(functional.relu(self.hidden(x))) + float("nan")

    with pytest.raises(NoPrunableUnitsError, match="not finite"):
        Architecture.from_module(Infinite(), torch.randn(2, 5))


def test_layers_without_a_path_to_the_output_are_listed() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.hidden, self.out = nn.Linear(5, 8), nn.Linear(8, 6), nn.Linear(6, 2)
            self.spare = nn.Linear(5, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                x = functional.relu(self.backbone(x))
            return self.out(functional.relu(self.hidden(x)))

    found = Architecture.from_module(Detached(), torch.randn(2, 5))
    assert {group.name: group.size for group in found.groups} == {"hidden": 6}
    assert {layer.name: (layer.size, layer.reason) for layer in found.protected} == {
        "out": (2, "feeds the output"),
        "backbone": (8, "has no gradient path to the output"),
        "spare": (4, "is not called as a layer of its own in the forward pass"),
    }


@every_case
def test_the_network_stays_untouched(case: Case) -> None:
    net = case.net()
    first = next(net.parameters())
    first.grad = torch.ones_like(first)
    next(iter(net.children())).eval()
    state = copy.deepcopy(net.state_dict())
    identities = [id(parameter) for parameter in net.parameters()]
    flags = [parameter.requires_grad for parameter in net.parameters()]
    modes = [module.training for module in net.modules()]
    random_state = torch.get_rng_state()

    Architecture.from_module(net, case.example())

    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    assert [id(parameter) for parameter in net.parameters()] == identities
    assert [parameter.requires_grad for parameter in net.parameters()] == flags
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(first.grad, torch.ones_like(first))
    assert [parameter.grad is None for parameter in net.parameters()].count(False) == 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_works_without_gradients_in_the_caller() -> None:
    with torch.no_grad():
        found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(4, 5))
    assert found.num_units == 14


def test_works_in_inference_mode() -> None:
    net, example = mlp(nn.ReLU()), torch.randn(4, 5)
    with torch.inference_mode():
        found = Architecture.from_module(net, example)
    assert found.num_units == 14


def test_groups_come_in_the_order_of_the_forward_pass() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(4, 2)
            self.middle = nn.Linear(3, 4)
            self.first = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(functional.relu(self.middle(functional.relu(self.first(x)))))

    found = Architecture.from_module(Backwards(), torch.randn(2, 5))
    assert [group.name for group in found.groups] == ["first", "middle"]


def test_coupled_layers_share_a_row() -> None:
    found = Architecture.from_module(Residual(), torch.randn(2, 3, 8, 8))
    assert found.group("stem").layers == ("stem", "norm0", "conv2", "norm2")
    assert found.group("stem").row_dim == 3 * 9 + 2 + 5 * 9 + 2
    assert [(cut.module, cut.side) for cut in found.group("stem").cuts] == [
        ("conv1", "in"),
        ("conv3", "in"),
        ("project", "in"),
    ]


def test_the_networks_of_the_package() -> None:
    found = Architecture.from_module(nets.lenet5(), torch.randn(2, 1, 28, 28))
    assert {group.name: (group.size, group.row_dim) for group in found.groups} == {
        "conv1": (20, 26),
        "conv2": (50, 501),
        "fc1": (500, 801),
    }
    assert found.full().num_parameters == 431_080
    found = Architecture.from_module(nets.lenet300(), torch.randn(2, 784))
    assert [group.size for group in found.groups] == [300, 100]
    net = nets.resnet20()
    found = Architecture.from_module(net, torch.randn(2, 3, 32, 32))
    assert sorted(group.size for group in found.groups) == 4 * [16] + 4 * [32] + 4 * [64]


def test_a_user_protects_a_layer_by_name_or_by_its_container() -> None:
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 6), nn.ReLU()), nn.Linear(6, 3))
    by_name = Architecture.from_module(net, torch.randn(2, 5), protect=["0"])
    by_container = Architecture.from_module(net, torch.randn(2, 5), protect="2")
    assert [group.name for group in by_name.groups] == ["2.0"]
    assert [group.name for group in by_container.groups] == ["0"]
    assert {layer.name: layer.reason for layer in by_name.protected}["0"] == "protected by the user"


def test_protecting_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(ProtectedGroupError, match="did you mean 'conv1'"):
        Architecture.from_module(Residual(), torch.randn(2, 3, 8, 8), protect=["conf1"])


def test_no_units_is_an_error_that_lists_what_was_found() -> None:
    with pytest.raises(NoPrunableUnitsError, match=r"0 \(3 units\): feeds the output"):
        Architecture.from_module(nn.Sequential(nn.Linear(5, 3), nn.ReLU()), torch.randn(2, 5))
    with pytest.raises(NoPrunableUnitsError, match="none"):
        Architecture.from_module(nn.BatchNorm1d(5), torch.randn(2, 5))


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (torch.randn(2, 7), r"\(2, 7\) float32 on cpu.*mat1"),
        (torch.randn(2, 5, dtype=torch.float64), r"\(2, 5\) float64"),
        ((torch.randn(2, 5), torch.randn(2, 5)), "positional argument"),
        ({"y": torch.randn(2, 5)}, "unexpected keyword"),
        ("a string", "not str"),
        (None, "not NoneType"),
        ((), "no tensor"),
        (torch.empty(2, 5, device="meta"), "meta"),
    ],
)
def test_inputs_that_do_not_run(example: object, words: str) -> None:
    net = mlp(nn.ReLU()).train()
    with pytest.raises(ExampleInputError, match=words):
        Architecture.from_module(net, example)
    assert all(module.training for module in net.modules())


def test_networks_that_cannot_be_copied() -> None:
    with pytest.raises(UnsupportedNetworkError, match="lazy"):
        Architecture.from_module(nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(2, 5))
    net = mlp(nn.ReLU())
    net.cache = net[0].weight * 2
    with pytest.raises(UnsupportedNetworkError, match="cannot be copied"):
        Architecture.from_module(net, torch.randn(2, 5))


def test_a_single_sample_without_batch_axis() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(5))
    assert found.full().macs == 5 * 8 + 8 * 6 + 6 * 3


def test_an_output_without_gradient_is_refused() -> None:
    class Labels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x).argmax(1)

    with pytest.raises(ExampleInputError, match="depend"):
        Architecture.from_module(Labels(), torch.randn(2, 5))


def test_a_hidden_layer_that_is_also_an_output_is_protected() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 8), nn.Linear(8, 6), nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
            hidden = self.a(x)
            return self.c(functional.relu(self.b(functional.relu(hidden)))), [hidden]

    found = Architecture.from_module(Both(), torch.randn(2, 5))
    assert [group.name for group in found.groups] == ["b"]


def test_at_most_two_samples_of_the_example_are_kept() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(64, 5, requires_grad=True))
    assert isinstance(found.example_inputs, tuple)
    (kept,) = found.example_inputs
    assert kept.shape == (2, 5)
    assert not kept.requires_grad
    assert kept.untyped_storage().nbytes() == 2 * 5 * 4


@every_case
def test_protecting_what_is_protected_changes_nothing(case: Case) -> None:
    """Saved fits name the protected layers, and find the same units again."""
    found = architecture(case)
    again = Architecture.from_module(case.net(), case.example(), protect=[layer.name for layer in found.protected])
    assert again.fingerprint == found.fingerprint


def test_a_network_of_single_units_is_refused_with_the_reason_and_what_can_be_guided_instead() -> None:
    net, inputs = nn.Sequential(nn.Linear(5, 1), nn.ReLU(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2)), torch.randn(4, 5)
    with pytest.raises(NoPrunableUnitsError) as caught:
        Architecture.from_module(net, inputs)
    message = str(caught.value)
    assert "the only unit of '0' and '2' always stays" in message
    assert "0 (1 units): is a single unit, and at least one stays in every model" in message
    _, gated = Architecture.with_gates(net, inputs, inputs=True)
    assert [(group.name, group.size) for group in gated.groups] == [("inputs", 5)]


def test_a_single_unit_between_others_is_listed_and_stays() -> None:
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 2))
    architecture = Architecture.from_module(net, torch.randn(4, 5))
    assert {group.name: group.size for group in architecture.groups} == {"0": 3, "4": 3}
    assert {layer.name for layer in architecture.protected} == {"2", "6"}
    assert {"2.weight", "2.bias"} <= {block.parameter for block in architecture.rest}
    one = {name: torch.tensor([False, True, False]) for name in ("0", "4")}
    small = reduce(net, architecture.sub_architecture(one))
    assert [layer.out_features for layer in small if isinstance(layer, nn.Linear)] == [1, 1, 1, 2]
