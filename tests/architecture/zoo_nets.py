"""The networks of the zoo that need a forward pass of their own."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


class Residual(nn.Module):
    """A block with identity shortcut and one with projection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm0 = nn.BatchNorm2d(6)
        self.conv1 = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 6, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.project = nn.Conv2d(6, 8, 1, stride=2)
        self.head = head(8)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm0(self.stem(x)))
        x = functional.relu(x + self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x))))))
        return self.head(functional.relu(self.conv3(x) + self.project(x)))


class Dense(nn.Module):
    """Concatenation with a norm over all of it, the input among the operands, and a linear layer after flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(7, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)
        self.conv3 = nn.Conv2d(12, 6, 3)
        self.fc = nn.Linear(6 * 36 + 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        a = functional.relu(self.conv1(x))
        b = functional.relu(self.conv2(torch.cat([x, a], 1)))
        c = functional.relu(self.conv3(functional.relu(self.norm(torch.cat([a, x, b], 1)))))
        return self.fc(torch.cat([c.flatten(1), a.mean((2, 3))], 1))


class Chunked(nn.Module):
    """A gated unit: the two halves of a layer are multiplied, so channel j goes with channel j + C/2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = head(4)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.conv(x).chunk(2, dim=1)
        return self.head(a * torch.tanh(b))


class ChunkConcat(nn.Module):
    """Halves that go straight into a concatenation, one of them also through a product, in swapped order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.after = nn.Conv2d(12, 5, 1)
        self.head = head(5)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.conv(x).chunk(2, dim=1)
        return self.head(functional.relu(self.after(torch.cat([b, a * b, a], 1))))


class SlicedInputs(nn.Module):
    """Some inputs pass a hidden layer, and slices of the others are joined to what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.inner(x[:, :-1]), x[:, -1:]], 1)


class SplitFixed(nn.Module):
    """A split whose sizes are written into the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 7)
        self.left = nn.Linear(3, 4)
        self.right = nn.Linear(4, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = torch.relu(self.first(x)).split([3, 4], dim=1)
        return self.out(torch.relu(self.left(a) + self.right(b)))


class HardView(nn.Module):
    """A view whose size is written into the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 5, 3)
        self.fc1 = nn.Linear(5 * 16, 7)
        self.fc2 = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        return self.fc2(functional.relu(self.fc1(x.view(-1, 5 * 16))))


class TwoInputs(nn.Module):
    """Two branches that meet in a sum, called by keyword or position; several outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Conv2d(1, 6, 3)
        self.vector = nn.Linear(5, 6)
        self.joint = nn.Linear(6, 4)
        self.out1 = nn.Linear(4, 2)
        self.out2 = nn.Linear(4, 1)

    def forward(self, image: Tensor, vector: Tensor) -> dict[str, Tensor]:
        h = functional.relu(self.image(image)).mean((2, 3)) + functional.relu(self.vector(vector))
        h = functional.relu(self.joint(h))
        return {"classes": self.out1(h), "value": self.out2(h)}


class Tied(nn.Module):
    """Two layers that hold one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 6)
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6)
        self.b.weight = self.a.weight
        self.wide = nn.Linear(6, 9)
        self.out = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.b(functional.relu(self.a(functional.relu(self.first(x))))))
        return self.out(functional.relu(self.wide(x)))


class Reused(nn.Module):
    """A layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 6)
        self.again = nn.Linear(6, 6)
        self.wide = nn.Linear(6, 9)
        self.out = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.first(x))
        x = functional.relu(self.again(functional.relu(self.again(x))))
        return self.out(functional.relu(self.wide(x)))


class BareParameter(nn.Module):
    """A scale that is a parameter of the network itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 6)
        self.scale = nn.Parameter(torch.ones(6))
        self.second = nn.Linear(6, 7)
        self.out = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(functional.relu(self.second(self.scale * functional.relu(self.first(x)))))


class ChannelMean(nn.Module):
    """Spatial attention: a mean over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.gate = nn.Conv2d(2, 1, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 5, 3)
        self.head = head(5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv1(x))
        gate = torch.sigmoid(self.gate(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))
        return self.head(functional.relu(self.conv2(x * gate)))


class SqueezeExcite(nn.Module):
    """Channel attention: the scale of a channel comes from a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.squeeze = nn.Linear(6, 4)
        self.excite = nn.Linear(4, 6)
        self.head = head(6)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv1(x))
        scale = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean((2, 3))))))
        return self.head(x * scale[:, :, None, None])


class Transformer(nn.Module):
    """One encoder block: the residual stream is normalised, the hidden layer of the MLP is free."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm1 = nn.LayerNorm(8)
        self.up = nn.Linear(8, 12)
        self.down = nn.Linear(12, 8)
        self.norm2 = nn.LayerNorm(8)
        self.out = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = self.norm1(x + self.attention(x, x, x, need_weights=False)[0])
        x = self.norm2(x + self.down(functional.gelu(self.up(x))))
        return self.out(x[:, 0])


class Generator(nn.Module):
    """A linear layer whose features become channels, then transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 6 * 4)
        self.up1 = nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.up2 = nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = functional.relu(self.fc(z)).view(z.shape[0], -1, 2, 2)
        return self.up2(functional.relu(self.norm(self.up1(x))))


class Encoder1d(nn.Module):
    """Convolutions over time, flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(2, 4, 3)
        self.conv2 = nn.Conv1d(4, 5, 3)
        self.norm = nn.BatchNorm1d(5)
        self.fc = nn.Linear(5 * 6, 7)
        self.out = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.conv2(functional.relu(self.conv1(x)))))
        return self.out(functional.relu(self.fc(x.flatten(1))))


class TokenMLP(nn.Module):
    """Linear layers on sequences, flattened with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4 * 6, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(functional.relu(self.second(functional.relu(self.first(x)).flatten(1))))


class Recurrent(nn.Module):
    """A recurrent layer between two linear ones."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(3, 6)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.after = nn.Linear(5, 7)
        self.out = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gru(functional.relu(self.before(x)))[0][:, -1]
        return self.out(functional.relu(self.after(x)))


def frozen() -> nn.Module:
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    return net


def weight_normed() -> nn.Module:
    return nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(5, 8)),
        nn.ReLU(),
        nn.Linear(8, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    )


def mlp(activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 8), activation, nn.Linear(8, 6), activation, nn.Linear(6, 3))
