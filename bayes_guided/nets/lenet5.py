"""LeNet-5 as the Caffe examples have it, the convolutional net of the pruning literature."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from .settings import check_positive


class LeNet5(nn.Module):
    """Convolutions of 20 and 50 channels, each max-pooled by 2 without activation, then 800 - 500 - outputs.

    The one ReLU follows the 500 units. The input is 28 x 28 with one channel, so that 50 x 4 x 4 = 800 features reach
    the first linear layer.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, outputs)

    def forward(self, x: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch classes"]:
        """Outputs before any softmax."""
        x = max_pool2d(self.conv1(x), 2)
        x = max_pool2d(self.conv2(x), 2)
        return self.fc2(relu(self.fc1(torch.flatten(x, 1))))


def lenet5(outputs: int = 10) -> LeNet5:
    """LeNet-5-Caffe [Jia2014, examples/mnist/lenet.prototxt], 431,080 parameters with ten outputs.

    Raises:
        ConfigError: if `outputs` is not positive.
    """
    check_positive(outputs=outputs)
    return LeNet5(outputs)
