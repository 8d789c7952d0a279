"""Every weight has one owner, and rows and parameters are the same weights."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from bayes_guided.architecture import Architecture, Role
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    MaskError,
    ProtectedGroupError,
    RowShapeError,
)
from tests.architecture.zoo import Case, architecture, every_case, plain_attention, run
from tests.architecture.zoo_nets import Dense, Residual, mlp


@every_case
def test_every_weight_has_exactly_one_owner(case: Case) -> None:
    found, net = architecture(case), case.net()
    # Number all weights, then see where each number goes.
    start, numbered = 0, {}
    for name, parameter in net.named_parameters():
        count = parameter.numel()
        numbered[name] = torch.arange(start, start + count, dtype=torch.float64).reshape(parameter.shape)
        start += count
    owned = [rows.flatten() for rows in found.rows(numbered).values()] + [found.rest_vector(numbered)]
    assert torch.equal(torch.cat(owned).sort().values, torch.arange(start, dtype=torch.float64))
    assert {g.name: (g.size, g.row_dim) for g in found.groups} == {
        name: tuple(rows.shape) for name, rows in found.rows(numbered).items()
    }


@every_case
def test_blocks_say_where_a_row_lies(case: Case) -> None:
    found, net = architecture(case), case.net()
    parameters = dict(net.named_parameters())
    for group in found.groups:
        rows = found.rows(net)[group.name]
        for unit in range(group.size):
            pieces = [parameters[b.parameter].movedim(b.axis, 0)[b.index[unit]].flatten() for b in group.blocks]
            assert [len(piece) for piece in pieces] == [block.size for block in group.blocks]
            assert torch.equal(torch.cat(pieces), rows[unit])


@every_case
def test_parameters_invert_rows_exactly(case: Case) -> None:
    found, net = architecture(case), case.net()
    rebuilt = found.parameters(found.rows(net), found.rest_vector(net))
    assert list(rebuilt) == [name for name, _ in net.named_parameters()]
    assert all(torch.equal(rebuilt[name], parameter) for name, parameter in net.named_parameters())


@every_case
def test_write_rows_inverts_rows_in_place(case: Case) -> None:
    found, net, other = architecture(case), case.net(), case.net()
    identities = [id(parameter) for parameter in net.parameters()]
    generator = torch.Generator().manual_seed(0)
    rows = {name: torch.randn(r.shape, generator=generator) for name, r in found.rows(net).items()}
    rest = torch.randn(found.rest_size, generator=generator)
    found.write_rows(net, rows)
    assert all(torch.equal(found.rows(net)[name], rows[name]) for name in rows)
    assert torch.equal(found.rest_vector(net), found.rest_vector(other))
    found.write_rows(net, rows, rest)
    assert torch.equal(found.rest_vector(net), rest)
    assert [id(parameter) for parameter in net.parameters()] == identities


@every_case
def test_gradients_through_rows_are_the_ordinary_gradients(case: Case) -> None:
    found, net, example = architecture(case), case.net().eval(), case.example()
    arguments, keywords = ((), example) if isinstance(example, dict) else (example, {})
    arguments = arguments if isinstance(arguments, tuple) else (arguments,)

    def loss(output: Tensor | dict[str, Tensor]) -> Tensor:
        outputs = output.values() if isinstance(output, dict) else [output]
        return sum((o * o).sum() for o in outputs)  # pyright: ignore[reportReturnType]

    for parameter in net.parameters():
        parameter.requires_grad_(True)
    loss(net(*arguments, **keywords)).backward()
    ordinary = {n: p.grad if p.grad is not None else torch.zeros_like(p) for n, p in net.named_parameters()}

    rows = {name: r.detach().requires_grad_(True) for name, r in found.rows(net).items()}
    rest = found.rest_vector(net).detach().requires_grad_(True)
    loss(functional_call(net, found.parameters(rows, rest), arguments, keywords)).backward()
    for name, expected in found.rows(ordinary).items():
        torch.testing.assert_close(rows[name].grad, expected, rtol=1e-4, atol=1e-5)
    rest_gradient = torch.zeros_like(rest) if rest.grad is None else rest.grad
    torch.testing.assert_close(rest_gradient, found.rest_vector(ordinary), rtol=1e-4, atol=1e-5)


def test_rows_are_differentiable_in_the_parameters() -> None:
    net = Dense()
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    weights = {name: torch.randn_like(rows) for name, rows in found.rows(net).items()}
    sum((found.rows(net)[name] * weights[name]).sum() for name in weights).backward()  # pyright: ignore
    gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in net.named_parameters()}
    assert all(torch.equal(found.rows(gradients)[name], weights[name]) for name in weights)
    assert not found.rest_vector(gradients).any()


@pytest.mark.parametrize("build", [lambda: mlp(nn.Tanh()), Dense], ids=["view", "gather"])
def test_parameters_under_vmap_and_grad(build: type[nn.Module]) -> None:
    net = build().eval().double()
    shape = (2, 5) if isinstance(net, nn.Sequential) else (2, 3, 8, 8)
    x = torch.randn(shape, dtype=torch.float64)
    found = Architecture.from_module(net, x)
    rows = {name: torch.randn(3, *r.shape, dtype=torch.float64) for name, r in found.rows(net).items()}
    rest = torch.randn(3, found.rest_size, dtype=torch.float64)

    def loss(rows: dict[str, Tensor], rest: Tensor) -> Tensor:
        return functional_call(net, found.parameters(rows, rest), (x,)).square().sum()

    batched = vmap(grad(loss))(rows, rest)
    for draw in range(3):
        alone = grad(loss)({name: r[draw] for name, r in rows.items()}, rest[draw])
        for name in rows:
            torch.testing.assert_close(batched[name][draw], alone[name])


def test_a_whole_parameter_is_a_view_of_the_rows() -> None:
    net = mlp(nn.ReLU())
    found = Architecture.from_module(net, torch.randn(2, 5))
    rows = {name: r.detach().clone() for name, r in found.rows(net).items()}
    weight = found.parameters(rows, found.rest_vector(net))["0.weight"]
    assert weight.untyped_storage().data_ptr() == rows["0"].untyped_storage().data_ptr()


def test_write_rows_takes_views_of_the_network_itself() -> None:
    net = mlp(nn.ReLU())
    found = Architecture.from_module(net, torch.randn(2, 5))
    expected = {name: r.detach().flip(0).clone() for name, r in found.rows(net).items()}
    found.write_rows(net, {name: r.flip(0) for name, r in found.rows(net).items()})
    assert all(torch.equal(found.rows(net)[name], expected[name]) for name in expected)


def test_write_rows_changes_nothing_on_error() -> None:
    net = mlp(nn.ReLU())
    found = Architecture.from_module(net, torch.randn(2, 5))
    before = [parameter.clone() for parameter in net.parameters()]
    good = {name: torch.zeros_like(r) for name, r in found.rows(net).items()}
    bad: list[tuple[dict[str, Tensor], Tensor | None, str]] = [
        ({"0": good["0"]}, None, "'2' are missing"),
        ({**good, "7": good["0"]}, None, "unknown"),
        ({**good, "2": torch.zeros(6, 3)}, None, r"\(6, 3\), not \(6, 9\)"),
        ({**good, "2": good["2"][:5]}, None, r"\(5, 9\)"),
        ({**good, "2": torch.zeros(6, 9, dtype=torch.int64)}, None, "int64, not floating-point"),
        (good, torch.zeros(3), "21 weights"),
    ]
    for rows, rest, words in bad:
        with pytest.raises(RowShapeError, match=words):
            found.write_rows(net, rows, rest)
    assert all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_another_network_is_refused() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    with pytest.raises(ArchitectureMismatchError, match=r"no parameter '0\.weight'"):
        found.rows(Residual())
    with pytest.raises(ArchitectureMismatchError, match=r"'0.weight' has shape \(9, 5\)"):
        found.rows(nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3)))


def test_frozen_parameters_stay_frozen_and_are_written() -> None:
    net = mlp(nn.ReLU())
    net[0].requires_grad_(False)
    found = Architecture.from_module(net, torch.randn(2, 5))
    found.write_rows(net, {name: torch.ones_like(r) for name, r in found.rows(net).items()})
    assert not net[0].weight.requires_grad
    assert bool((net[0].weight == 1).all())


@every_case
def test_zeroing_a_row_makes_the_unit_constant(case: Case) -> None:
    """With its row at zero, nothing that a unit puts out anywhere depends on the input."""
    found, net = architecture(case), case.net()
    rows = {name: r.detach().clone() for name, r in found.rows(net).items()}
    for row in rows.values():
        row[0] = 0.0
    found.write_rows(net, rows)
    seen: dict[str, Tensor] = {}
    modules = dict(net.named_modules())
    for name in modules:
        modules[name].register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: output}))
    with plain_attention():
        run(net, case.example())
    for group in found.groups:
        for (name, side), index in group.removals.items():
            # Behind a gate only the gate is silent; heads are mixed by their output projection at once.
            if side == "out" and name in group.layers and not isinstance(modules[name], nn.MultiheadAttention):
                axis = -1 if isinstance(modules[name], nn.Linear) else getattr(modules[name], "axis", 1)
                channels = seen[name].movedim(axis, 0)[index[0]].flatten(1)
                assert torch.equal(channels.amin(1), channels.amax(1))


def test_masks() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    mask = torch.tensor([True, False, True, True, True, False])
    sub = found.sub_architecture({"2": mask})
    mask[0] = False
    assert sub.widths == {"0": 8, "2": 4}
    assert sub.survivors == {"0": list(range(8)), "2": [0, 2, 3, 4]}
    assert sub.num_units == 12
    assert found.full().num_units == found.num_units == 14
    assert "86%" in str(sub)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"1": torch.ones(8, dtype=torch.bool)}, "unknown group '1'"),
        ({"0": torch.ones(7, dtype=torch.bool)}, r"shape \(7,\); the group has 8 units"),
        ({"0": torch.ones(1, 8, dtype=torch.bool)}, "shape"),
        ({"0": torch.ones(8)}, r"dtype torch.float32; it must be torch.bool"),
        ({"0": torch.zeros(8, dtype=torch.bool)}, "leaves no unit"),
    ],
)
def test_bad_masks(masks: dict[str, Tensor], words: str) -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    with pytest.raises(MaskError, match=words):
        found.sub_architecture(masks)


def test_an_empty_group_only_on_request() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    sub = found.sub_architecture({"0": torch.zeros(8, dtype=torch.bool)}, allow_empty=True)
    assert sub.widths == {"0": 0, "2": 6}


def test_unknown_and_protected_groups() -> None:
    found = Architecture.from_module(mlp(nn.ReLU()), torch.randn(2, 5))
    with pytest.raises(ProtectedGroupError, match="it feeds the output"):
        found.group("4")
    with pytest.raises(ProtectedGroupError, match="no group 'fc'; the groups are 0, 2"):
        found.group("fc")


def test_the_fingerprint_is_of_the_structure() -> None:
    one, two = (Architecture.from_module(Residual(), torch.randn(n, 3, 8, 8)) for n in (2, 5))
    protected = Architecture.from_module(Residual(), torch.randn(2, 3, 8, 8), protect=["conv1"])
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != protected.fingerprint


def test_roles() -> None:
    found = Architecture.from_module(Residual(), torch.randn(2, 3, 8, 8))
    roles = [block.role for block in found.group("conv1").blocks]
    assert roles == [Role.WEIGHT, Role.NORM_SCALE, Role.NORM_SHIFT]
    assert found.group("conv1").has_norm
    assert not found.group("conv3").has_norm


@every_case
def test_the_printed_table_accounts_for_every_parameter(case: Case) -> None:
    found, net = architecture(case), case.net()
    text = str(found)
    total = sum(parameter.numel() for parameter in net.parameters())
    match = re.search(r"([\d,]+) parameters = ([\d,]+) in rows \+ ([\d,]+) in the rest", text)
    assert match is not None
    folded = re.search(r"([\d,]+) of them are gates", text)
    assert total - (0 if folded is None else int(folded[1])) == found.full().num_parameters
    counts = [int(number.replace(",", "")) for number in match.groups()]
    assert counts[0] == total == counts[1] + counts[2]
    for layer in found.protected:
        assert layer.reason in text
