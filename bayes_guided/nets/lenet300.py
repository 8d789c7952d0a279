"""LeNet-300-100, the fully connected net of the pruning literature."""

from .mlp import MLP, mlp


def lenet300(outputs: int = 10, inputs: int = 784) -> MLP:
    """LeNet-300-100 [LeCun1998]: `inputs` - 300 - 100 - `outputs` with ReLU, 266,610 parameters on MNIST.

    Raises:
        ConfigError: if a width is not positive.
    """
    return mlp(inputs, (300, 100), outputs=outputs)
