"""LeNet-5 with a gate on every feature that its first linear layer reads."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

import bayes_guided as bg


class GatedFeatures(nn.Module):
    """A LeNet-5 of any widths, with one gate per feature after the flatten.

    The channels of the second convolution are the units of the other gates' group unless that convolution is protected:
    a channel's row would be its 16 gates together. With it protected each gate is a unit, and `reduce` leaves a selection.
    """

    def __init__(self, net: nn.Module) -> None:
        """Takes the layers of a LeNet-5, reduced or not; they are shared, not copied. Every gate starts at 1.

        Features that a `GatedFeatures` has lost already stay lost.
        """
        super().__init__()
        self.conv1, self.conv2 = net.get_submodule("conv1"), net.get_submodule("conv2")
        self.fc1, self.fc2 = net.get_submodule("fc1"), net.get_submodule("fc2")
        self.kept = kept_features(net)
        self.features = bg.nn.Gate(self.get_parameter("fc1.weight").shape[1], axis=-1)

    def forward(self, x: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch classes"]:
        """Outputs before any softmax."""
        x = max_pool2d(self.conv1(x), 2)
        x = max_pool2d(self.conv2(x), 2)
        x = self.features(self.kept(torch.flatten(x, 1)))
        return self.fc2(relu(self.fc1(x)))


def kept_features(net: nn.Module) -> nn.Module:
    """What selects, in a network whose gates were reduced, the features that are left; else all of them."""
    if not isinstance(net, GatedFeatures):
        return nn.Identity()
    return nn.Sequential(net.kept, net.features)


class WithDropout(nn.Module):
    """A LeNet-5 of any widths with dropout of the features after the flatten and of the hidden units: a teacher."""

    def __init__(self, net: nn.Module, fraction: float) -> None:
        """Takes the layers of a LeNet-5; they are shared, not copied. `fraction` is how much is dropped, of both."""
        super().__init__()
        self.conv1, self.conv2 = net.get_submodule("conv1"), net.get_submodule("conv2")
        self.fc1, self.fc2 = net.get_submodule("fc1"), net.get_submodule("fc2")
        self.dropout = nn.Dropout(fraction)

    def forward(self, x: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch classes"]:
        """Outputs before any softmax."""
        x = max_pool2d(self.conv1(x), 2)
        x = max_pool2d(self.conv2(x), 2)
        x = self.dropout(torch.flatten(x, 1))
        return self.fc2(self.dropout(relu(self.fc1(x))))
