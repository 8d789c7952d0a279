"""The sizes of a network that its data say."""

from collections.abc import Sequence

import torch

from bayes_guided.datasets import Dataset


def sizes_of_data(data: Dataset, likelihood: str) -> dict[str, int]:
    """Numbers of inputs, input channels and outputs, by the names of the registry networks' settings."""
    target_width = data.train_y[0].numel()
    outputs = data.num_classes if likelihood == "Categorical" and data.num_classes else target_width
    return {**sizes_of_input(data.train_x.shape[1:]), "outputs": outputs}


def sizes_of_input(shape: Sequence[int]) -> dict[str, int]:
    """Numbers of inputs and input channels of one case of this shape."""
    return {"inputs": torch.Size(shape).numel(), "in_channels": shape[0]}
