"""The networks of the zoo with gates and attention heads."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bayes_guided.nn import Gate, GatedBlock, GatedInputs, HeadAttention
from tests.architecture.zoo_nets import Residual, Transformer, head, mlp


class GatedBranches(nn.Module):
    """Residual blocks as a user writes them: a gate of one unit before each sum, functional operations between."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv1, self.norm1 = nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 6, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.gate1 = Gate(1)
        self.shortcut = nn.Conv2d(6, 6, 1, stride=2)
        self.inner = nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 1))
        self.gate2 = Gate(1, signed=True)
        self.head = head(6)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        y = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        x = functional.relu(self.shortcut(x) + self.gate1(y))
        return self.head(x + self.gate2(torch.tanh(self.inner(x))))


class GatedSkip(nn.Module):
    """A gate on what one branch reads, while the skip reads all of it: the gate selects."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(5, 6)
        self.gate = Gate(6)
        self.hidden = nn.Linear(6, 7)
        self.back = nn.Linear(7, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        return self.out(x + self.back(functional.relu(self.hidden(self.gate(x)))))


class GatedConcat(nn.Module):
    """One gate over the concatenation of two layers of unequal rows, and one over one layer read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 4), nn.Linear(5, 3)
        self.gate = Gate(7)
        self.hidden, self.other = nn.Linear(7, 6), nn.Linear(7, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(torch.cat([torch.relu(self.left(x)), torch.relu(self.right(x))], 1))
        return self.out(torch.tanh(self.hidden(x)) * torch.tanh(self.other(x)))


class GatedStream(nn.Module):
    """Sequences with features last, gated between a LayerNorm and the layer that reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.norm = nn.LayerNorm(8)
        self.gate = Gate(8, axis=-1)
        self.up, self.down = nn.Linear(8, 6), nn.Linear(6, 8)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.out(x + self.down(functional.gelu(self.up(self.gate(self.norm(x))))))


class Encoder(nn.Module):
    """Torch's encoder, with a padding mask that depends on the input."""

    def __init__(self, layers: int = 2, batch_first: bool = True, norm_first: bool = False, gated: str = "") -> None:
        super().__init__()
        self.batch_first = batch_first
        self.embed = nn.Linear(3, 8)
        layer = nn.TransformerEncoderLayer(8, 4, 10, dropout=0.0, batch_first=batch_first, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=batch_first and not norm_first)
        self.out = nn.Linear(8, 2)
        for i, part in enumerate(self.encoder.layers):
            if gated == "heads":
                part.self_attn = HeadAttention.from_torch(part.self_attn, Gate(4))  # pyright: ignore[reportArgumentType]
            elif gated == "blocks":
                self.encoder.layers[i] = GatedBlock(part)

    def forward(self, x: Tensor) -> Tensor:
        padding = (x[..., 0] > 1).cumsum(1) > 0
        padding[:, 0] = False
        given = self.embed(x if self.batch_first else x.transpose(0, 1))
        given = self.encoder(given, src_key_padding_mask=padding)
        given = given if self.batch_first else given.transpose(0, 1)
        return self.out(given.masked_fill(padding[..., None], 0.0).sum(1))


class CrossAttention(nn.Module):
    """Queries from one input, keys and values from another, with a causal mask; bias-free."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 8), nn.Linear(5, 8)
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True, bias=False)
        self.out = nn.Linear(8, 2)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        q, k = self.left(queries), self.right(keys)
        mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).triu(1)
        return self.out(self.attention(q, key=k, value=k, attn_mask=mask, need_weights=False)[0])


def gated_residual() -> nn.Module:
    """The zoo's residual network inside a block of its own, followed by a block in a block."""

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(6, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
            self.conv2, self.norm2 = nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)

        def forward(self, x: Tensor) -> Tensor:
            return functional.relu(x + self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x))))))

    nested = nn.Sequential(Body(), GatedBlock(Body()))
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), GatedBlock(Body()), GatedBlock(nested, signed=True), head(6))


def gated_mlp(before: bool, signed: bool = False) -> nn.Module:
    gates = [Gate(8, signed=signed), Gate(6, signed=signed)]
    order = (lambda a, b: (a, b)) if before else (lambda a, b: (b, a))
    return nn.Sequential(
        nn.Linear(5, 8), *order(gates[0], nn.ReLU()), nn.Linear(8, 6), *order(gates[1], nn.ReLU()), nn.Linear(6, 3)
    )


def gated_inputs() -> nn.Module:
    return GatedInputs(mlp(nn.ReLU()), Gate(5, signed=True))


def gated_residual_inputs() -> nn.Module:
    return GatedInputs(Residual(), Gate(3))


def gated_transformer() -> nn.Module:
    net = Transformer()
    net.attention = HeadAttention.from_torch(net.attention, Gate(2, signed=True))  # pyright: ignore[reportArgumentType]
    return net
