"""Gates multiply, along the axis they are told, by what the documentation says."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from bayes_guided.exceptions import GateError
from bayes_guided.nn import Gate, Select


def gate_with(values: list[float], **settings: bool | int) -> Gate:
    gate = Gate(len(values), **settings)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        gate.weight.copy_(torch.tensor(values))
    return gate


@pytest.mark.parametrize(
    ("axis", "shape", "broadcast"),
    [(1, (2, 3), (1, 3)), (1, (2, 3, 4, 5), (1, 3, 1, 1)), (-1, (2, 4, 3), (1, 1, 3)), (-1, (3,), (3,)), (0, (3, 2), (3, 1))],
)
def test_multiplies_along_its_axis(axis: int, shape: tuple[int, ...], broadcast: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    values = torch.tensor([2.0, 0.0, -0.5])
    assert torch.equal(Gate(3, axis=axis)(x), x)
    assert torch.equal(gate_with([2.0, 0.0, -0.5], axis=axis, signed=True)(x), x * values.reshape(broadcast))
    assert torch.equal(gate_with([2.0, 0.0, -0.5], axis=axis)(x), x * values.abs().reshape(broadcast))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 4, 5)])
def test_one_gate_multiplies_everything(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    assert torch.equal(gate_with([-3.0])(x), 3 * x)
    assert torch.equal(gate_with([-3.0], signed=True)(x), -3 * x)


def test_another_number_of_units_is_refused() -> None:
    with pytest.raises(GateError, match=r"gate of 3 units.*\(2, 4\).*4 along axis 1"):
        Gate(3)(torch.randn(2, 4))
    with pytest.raises(GateError, match="gate of 3 units"):
        Gate(3)(torch.randn(2, 1))
    with pytest.raises(GateError, match="size=0"):
        Gate(0)


def test_zero_is_absorbing_unless_the_gate_is_signed() -> None:
    for signed, slope in ((False, 0.0), (True, 6.0)):
        gate = gate_with([0.0, 0.0], signed=signed)
        gate(torch.full((3, 2), 2.0)).sum().backward()
        assert gate.weight.grad is not None
        assert gate.weight.grad.tolist() == [slope, slope]


def test_under_functional_call_and_vmap() -> None:
    gate, x = Gate(3), torch.randn(2, 3, dtype=torch.float64)
    draws = torch.randn(4, 3, dtype=torch.float64)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return functional_call(gate, {"weight": weight}, (x,)).square().sum()

    expected = 2 * draws * x.square().sum(0)
    torch.testing.assert_close(vmap(grad(loss))(draws), expected)


def test_select_and_selected_gates_keep_positions() -> None:
    x, kept = torch.randn(2, 5, 3), torch.tensor([3, 0])
    assert torch.equal(Select(kept, axis=1)(x), x[:, [3, 0]])
    gate = gate_with([2.0, 5.0])
    gate.selected = kept
    assert torch.equal(gate(x), x[:, [3, 0]] * torch.tensor([2.0, 5.0])[:, None])
    assert list(gate.state_dict()) == ["weight"]
    assert torch.equal(copy.deepcopy(nn.Sequential(gate))(x), gate(x))
