"""ResNet-20 for small images [He2015, section 4.2], with projection shortcuts."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu

from .settings import check_positive

_STAGE_WIDTHS = (16, 32, 64)
_BLOCKS_A_STAGE = 3


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to a shortcut.

    Where the shape changes the shortcut is a 1 x 1 convolution with batch norm (option B of [He2015]) and not the
    zero-padded identity (option A): padding by zeros ties the channels of two stages to one another by position,
    while a projection leaves every residual sum one coupled group of channels of its own.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Float[Tensor, "batch in_channels _ _"]) -> Float[Tensor, "batch channels _ _"]:
        """ReLU of the residual sum."""
        residual = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(residual + self.shortcut(x))


class ResNet20(nn.Module):
    """A 3 x 3 convolution, three stages of three blocks with 16, 32, 64 channels, global average pool, linear layer.

    Images of any size pass: the pool adapts.
    """

    def __init__(self, in_channels: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, _STAGE_WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STAGE_WIDTHS[0])
        self.blocks = nn.ModuleList()
        width = _STAGE_WIDTHS[0]
        for stage, channels in enumerate(_STAGE_WIDTHS):
            for block in range(_BLOCKS_A_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                self.blocks.append(BasicBlock(width, channels, stride))
                width = channels
        self.fc = nn.Linear(width, outputs)

    def forward(self, x: Float[Tensor, "batch in_channels _ _"]) -> Float[Tensor, "batch classes"]:
        """Outputs before any softmax."""
        x = relu(self.bn1(self.conv1(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(torch.flatten(adaptive_avg_pool2d(x, 1), 1))


def resnet20(in_channels: int = 3, outputs: int = 10) -> ResNet20:
    """ResNet-20 with projection shortcuts, 272,474 parameters for colour images and ten outputs.

    Raises:
        ConfigError: if a size is not positive.
    """
    check_positive(in_channels=in_channels, outputs=outputs)
    return ResNet20(in_channels, outputs)
