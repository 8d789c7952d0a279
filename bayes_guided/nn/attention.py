"""Multi-head attention with any number of heads of a given width."""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from bayes_guided.exceptions import GateError

from .gate import Gate


class HeadAttention(nn.Module):
    """`torch.nn.MultiheadAttention` whose heads can be gated and removed.

    The call, the parameters' names and the results are torch's, but `num_heads * head_dim` need not be `embed_dim`, and
    `gate`, if there is one, multiplies the heads before the output projection. It works inside
    `nn.TransformerEncoderLayer`, whose fast path declines it, also on the nested tensors of `nn.TransformerEncoder`.

    `kept` are the heads of the original layer that are left, in order: a mask per head, of shape (batch * heads, L, S), is
    given for all `original_heads`.
    """

    kept: Int[Tensor, "heads"]
    _qkv_same_embed_dim = False  # nn.TransformerEncoderLayer asks, and then leaves its fused kernel alone

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        head_dim: int,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        batch_first: bool = False,
        gate: Gate | None = None,
    ) -> None:
        """Weights start as torch's do. `gate` has one unit per head.

        Raises:
            GateError: if the gate has another number of units.
        """
        super().__init__()
        if gate is not None and gate.size != num_heads:
            raise GateError(f"a gate of {gate.size} units cannot gate {num_heads} heads.")
        self.embed_dim, self.head_dim, self.original_heads = embed_dim, head_dim, num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * num_heads * head_dim, embed_dim)))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * num_heads * head_dim)) if bias else None
        self.out_proj = nn.Linear(num_heads * head_dim, embed_dim, bias=bias)
        self.gate = gate
        self.register_buffer("kept", torch.arange(num_heads), persistent=False)

    @classmethod
    def from_torch(cls, attention: nn.MultiheadAttention, gate: Gate | None = None) -> "HeadAttention":
        """The same function with the same parameters (the very tensors).

        Raises:
            GateError: if keys or values have another width than the queries, or are extended.
        """
        reason = unsupported(attention)
        if reason is not None:
            raise GateError(f"the heads of this attention layer cannot be gated or removed: it {reason}.")
        with torch.device("meta"):
            made = cls(attention.embed_dim, attention.num_heads, attention.head_dim, bias=attention.in_proj_bias is not None)
        made.dropout, made.batch_first, made.gate = attention.dropout, attention.batch_first, gate
        made.in_proj_weight, made.in_proj_bias = cast(nn.Parameter, attention.in_proj_weight), attention.in_proj_bias
        made.out_proj = attention.out_proj
        made.kept = torch.arange(attention.num_heads, device=attention.in_proj_weight.device)
        return made.train(attention.training)

    @property
    def num_heads(self) -> int:
        """Heads that are left."""
        return len(self.kept)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Output and attention weights (None unless `need_weights`), shaped as torch's.

        Raises:
            GateError: for `is_causal` without the mask, or nested tensors outside self-attention.
        """
        if is_causal and attn_mask is None:
            raise GateError("is_causal=True is a hint about attn_mask: give the mask too.")
        if query.is_nested:
            return self._nested(query, key, value), None
        batched = query.dim() == 3
        if not batched:
            query, key, value = (x.unsqueeze(0) for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        mask = self._mask(attn_mask, key_padding_mask, query)
        output, weights = self._attend(query, key, value, mask, need_weights)
        if weights is not None and average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            return output.squeeze(0), None if weights is None else weights.squeeze(0)
        return output if self.batch_first else output.transpose(0, 1), weights

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, need_weights: bool
    ) -> tuple[Float[Tensor, "batch _ _"], Float[Tensor, "batch heads _ _"] | None]:
        q, k, v = self._heads(query, key, value)
        dropout = self.dropout if self.training else 0.0
        if need_weights:
            scores = q @ k.transpose(-2, -1) / self.head_dim**0.5
            weights = functional.dropout((scores if mask is None else scores + mask).softmax(-1), dropout)
            heads = weights @ v
        else:
            weights = None
            heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        if self.gate is not None:
            heads = self.gate(heads)
        # Not called as a module, so that hooks and traces see attention as one layer, as torch's.
        return functional.linear(heads.transpose(1, 2).flatten(2), self.out_proj.weight, self.out_proj.bias), weights

    def _heads(self, *inputs: Tensor) -> list[Float[Tensor, "batch heads _ head_dim"]]:
        """Projected queries, keys and values, split into heads."""
        weights = self.in_proj_weight.chunk(3)
        biases = (None, None, None) if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        projected = [functional.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]
        return [x.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2) for x in projected]

    def _mask(self, attn_mask: Tensor | None, padding: Tensor | None, like: Tensor) -> Float[Tensor, "_ _ _ _"] | None:
        """Both masks as one to add to the scores, broadcast to (batch, heads, L, S); None if there are none."""
        mask = None
        if attn_mask is not None:
            mask = _additive(attn_mask, like)
            if mask.dim() == 3:
                mask = mask.unflatten(0, (-1, self.original_heads)).index_select(1, self.kept)
            else:
                mask = mask[None, None]
        if padding is not None:
            added = _additive(padding, like)[:, None, None, :]
            mask = added if mask is None else mask + added
        return mask

    def _nested(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Self-attention over sequences of their own lengths, as one batch padded with zeros."""
        if query is not key or key is not value:
            raise GateError("nested tensors are served in self-attention only: give padded tensors and key_padding_mask.")
        lengths = torch.tensor([len(sequence) for sequence in query.unbind()], device=query.device)
        padded = query.to_padded_tensor(0.0)
        present = torch.arange(padded.shape[1], device=query.device) < lengths[:, None]
        output, _ = self._attend(padded, padded, padded, self._mask(None, ~present, padded), need_weights=False)
        return torch._nested_tensor_from_mask(output, present, mask_check=False)  # pyright: ignore[reportPrivateImportUsage]


def unsupported(attention: nn.MultiheadAttention) -> str | None:
    """Why the heads of torch's layer cannot be taken apart, None where they can."""
    if not attention._qkv_same_embed_dim:
        return "has keys or values of another width than the queries"
    if attention.bias_k is not None or attention.add_zero_attn:
        return "adds a key and value of its own"
    return None


def _additive(mask: Tensor, like: Tensor) -> Float[Tensor, "..."]:
    """A boolean mask (True: left out) as 0 and minus infinity; other masks in the dtype of the inputs."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, float("-inf"))
