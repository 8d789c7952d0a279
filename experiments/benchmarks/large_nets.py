"""The two large networks of the scale benchmark: a residual network of 25 M parameters, and a transformer encoder of 100 M."""

import torch
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with BatchNorm around a shortcut."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.norm3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        projected = stride != 1 or inputs != outputs
        self.shortcut = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if projected
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps to feature maps."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        return torch.relu(self.norm3(self.conv3(y)) + self.shortcut(x))


class ResNet50(nn.Module):
    """Sixteen bottleneck blocks in four stages [He2016]; `width` is that of the first, 64 for the standard net."""

    def __init__(self, width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, 1)
        blocks, inputs = [], width
        for stage, depth in enumerate((3, 4, 6, 3)):
            inner = width * 2**stage
            for block in range(depth):
                blocks.append(Bottleneck(inputs, inner, 4 * inner, 2 if block == 0 and stage else 1))
                inputs = 4 * inner
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = self.blocks(self.pool(torch.relu(self.norm(self.stem(x)))))
        return self.head(x.mean((2, 3)))


def transformer(width: int = 768, layers: int = 14) -> nn.Module:
    """torch's own encoder; 99 M parameters as it stands."""
    layer = nn.TransformerEncoderLayer(width, 12, 4 * width, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
