"""A gated block is the block at 1, its shortcut at 0, and on the straight line between them."""

import pytest
import torch
from torch import Tensor, nn

from bayes_guided.exceptions import GateError
from bayes_guided.nn import GatedBlock, Zero


def set_gate(block: GatedBlock, value: float) -> GatedBlock:
    with torch.no_grad():
        block.get_parameter("gate.weight").fill_(value)
    return block


@pytest.mark.parametrize("gate", [0.0, 0.3, 1.0])
def test_is_on_the_line_from_the_input_to_the_output(gate: float) -> None:
    inner, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.randn(3, 4)
    residual, branch = (set_gate(GatedBlock(inner, residual=kind), gate) for kind in (True, False))
    torch.testing.assert_close(residual(x), (1 - gate) * x + gate * inner(x))
    torch.testing.assert_close(branch(x), gate * inner(x))


def test_a_gate_that_is_off_skips_the_block() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("the block was called")

    residual, branch = (GatedBlock(Fails(), residual=kind) for kind in (True, False))
    residual.gate, branch.gate = Zero(), Zero()
    x = torch.randn(3, 4, dtype=torch.float64)
    assert residual(x) is x
    assert torch.equal(x + branch(x), x)
    assert branch(x).dtype == torch.float64


def test_mode_and_attributes_are_the_blocks() -> None:
    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    gated = GatedBlock(block)
    assert not gated.training
    assert gated.self_attn is block.self_attn
    with pytest.raises(AttributeError):
        gated.nothing  # noqa: B018


def test_blocks_that_cannot_be_gated() -> None:
    with pytest.raises(GateError, match=r"\(3, 4\) into \(3, 5\).*branches"):
        GatedBlock(nn.Linear(4, 5))(torch.randn(3, 4))
    with pytest.raises(GateError, match="not tuple"):
        GatedBlock(nn.MultiheadAttention(4, 2))(torch.randn(3, 4), torch.randn(3, 4), torch.randn(3, 4))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_inside_an_encoder_that_uses_nested_tensors() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2).eval()
    x, padding = torch.randn(3, 5, 8), torch.arange(5) >= torch.tensor([[3], [4], [5]])
    with torch.no_grad():
        expected = encoder(x, src_key_padding_mask=padding)
        encoder.layers[0] = GatedBlock(encoder.layers[0])
        assert (expected[0, 3:] == 0).all()
        torch.testing.assert_close(encoder(x, src_key_padding_mask=padding), expected, rtol=1e-4, atol=1e-5)
