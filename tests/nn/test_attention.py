"""HeadAttention is torch's attention: its results, its masks, its place in encoder layers."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bayes_guided.exceptions import GateError
from bayes_guided.nn import Gate, HeadAttention

EMBED, HEADS, LENGTH, KEYS, BATCH = 8, 2, 5, 4, 3


def attention(**settings: Any) -> nn.MultiheadAttention:
    """Torch's layer with random weights and biases, in evaluation mode."""
    layer = nn.MultiheadAttention(EMBED, HEADS, **settings).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer


def masks() -> dict[str, Tensor | None]:
    boolean = torch.rand(LENGTH, KEYS) < 0.3
    boolean[:, 0] = False
    return {
        "none": None,
        "boolean": boolean,
        "float": torch.randn(LENGTH, KEYS),
        "per head": torch.randn(BATCH * HEADS, LENGTH, KEYS),
    }


@pytest.mark.parametrize("mask", list(masks()))
@pytest.mark.parametrize(("batch_first", "bias"), list(product([True, False], repeat=2)))
def test_is_torchs_attention(batch_first: bool, bias: bool, mask: str) -> None:
    theirs = attention(batch_first=batch_first, bias=bias)
    ours = HeadAttention.from_torch(theirs)
    query, key, value = (torch.randn(BATCH, length, EMBED) for length in (LENGTH, KEYS, KEYS))
    if not batch_first:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    attn_mask = masks()[mask]
    boolean = torch.arange(KEYS) >= torch.tensor([[3], [4], [2]])
    padding = boolean if mask in ("none", "boolean") else torch.zeros(BATCH, KEYS).masked_fill(boolean, float("-inf"))
    for key_padding_mask, need_weights, average in product((None, padding), (True, False), (True, False)):
        keywords: dict[str, Any] = {
            "key_padding_mask": key_padding_mask,
            "need_weights": need_weights,
            "attn_mask": attn_mask,
            "average_attn_weights": average,
        }
        expected, actual = theirs(query, key, value, **keywords), ours(query, key, value, **keywords)
        torch.testing.assert_close(actual[0], expected[0], rtol=1e-4, atol=1e-5)
        assert (actual[1] is None) == (expected[1] is None)
        if need_weights:
            torch.testing.assert_close(actual[1], expected[1], rtol=1e-4, atol=1e-5)


def test_a_single_sequence_without_batch_axis() -> None:
    theirs = attention()
    x = torch.randn(LENGTH, EMBED)
    padding = torch.arange(LENGTH) > 2
    for expected, actual in zip(
        theirs(x, x, x, key_padding_mask=padding),
        HeadAttention.from_torch(theirs)(x, x, x, key_padding_mask=padding),
        strict=True,
    ):
        torch.testing.assert_close(actual, expected)


def test_shares_parameters_by_torchs_names() -> None:
    theirs = attention()
    ours = HeadAttention.from_torch(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(a is b for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert (ours.num_heads, ours.training) == (HEADS, False)


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_acts_in_training_only(need_weights: bool) -> None:
    ours = HeadAttention(EMBED, HEADS, 4, dropout=0.5)
    x = torch.randn(LENGTH, BATCH, EMBED)
    assert not torch.equal(ours(x, x, x, need_weights=need_weights)[0], ours(x, x, x, need_weights=need_weights)[0])
    ours.eval()
    assert torch.equal(ours(x, x, x, need_weights=need_weights)[0], ours(x, x, x, need_weights=need_weights)[0])


def test_a_gate_scales_the_heads_part_of_the_output() -> None:
    theirs = attention(batch_first=True)
    x = torch.randn(BATCH, LENGTH, EMBED)
    gated = HeadAttention.from_torch(theirs, gate=Gate(HEADS))
    torch.testing.assert_close(gated(x, x, x)[0], theirs(x, x, x)[0])
    with torch.no_grad():
        gated.get_parameter("gate.weight").copy_(torch.tensor([0.5, 0.0]))
        actual = gated(x, x, x)[0]
        theirs.out_proj.weight[:, :4] *= 0.5
        theirs.out_proj.weight[:, 4:] = 0.0
    torch.testing.assert_close(actual, theirs(x, x, x)[0])


def test_any_number_of_heads_of_any_width() -> None:
    x = torch.randn(LENGTH, BATCH, EMBED)
    output, weights = HeadAttention(EMBED, 3, 5)(x, x, x, average_attn_weights=False)
    assert output.shape == x.shape
    assert weights is not None
    assert weights.shape == (BATCH, 3, LENGTH, LENGTH)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested tensors")
def test_inside_torchs_encoder(batch_first: bool, norm_first: bool, grad: bool) -> None:
    """Also where torch takes a fused path: without gradients, and with nested tensors under a padding mask."""
    layer = nn.TransformerEncoderLayer(EMBED, HEADS, 16, dropout=0.0, batch_first=batch_first, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 2)
    x = torch.randn(BATCH, LENGTH, EMBED) if batch_first else torch.randn(LENGTH, BATCH, EMBED)
    causal = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    padding = torch.arange(LENGTH) >= torch.tensor([[3], [4], [5]])
    calls: list[dict[str, Any]] = [
        {},
        {"mask": causal},
        {"mask": causal, "is_causal": True},
        {"src_key_padding_mask": padding},
    ]
    for training in (True, False):
        encoder.train(training)
        with torch.set_grad_enabled(grad):
            expected = [encoder(x, **keywords) for keywords in calls]
            theirs = [part.self_attn for part in encoder.layers]
            for part in encoder.layers:
                part.self_attn = HeadAttention.from_torch(part.self_attn)  # pyright: ignore[reportArgumentType]
            for before, keywords in zip(expected, calls, strict=True):
                torch.testing.assert_close(encoder(x, **keywords), before, rtol=1e-4, atol=1e-5)
            for part, old in zip(encoder.layers, theirs, strict=True):
                part.self_attn = old


def test_what_is_refused() -> None:
    x = torch.randn(LENGTH, BATCH, EMBED)
    with pytest.raises(GateError, match="another width"):
        HeadAttention.from_torch(nn.MultiheadAttention(EMBED, HEADS, kdim=3))
    with pytest.raises(GateError, match="of its own"):
        HeadAttention.from_torch(nn.MultiheadAttention(EMBED, HEADS, add_bias_kv=True))
    with pytest.raises(GateError, match="3 units cannot gate 2 heads"):
        HeadAttention(EMBED, HEADS, 4, gate=Gate(3))
    with pytest.raises(GateError, match="give the mask too"):
        HeadAttention(EMBED, HEADS, 4)(x, x, x, is_causal=True)
