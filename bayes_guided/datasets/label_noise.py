"""Wrong class labels put among right ones."""

import torch
from jaxtyping import Int
from torch import Tensor

from bayes_guided.exceptions import ConfigError


def mislabelled(
    labels: Int[Tensor, "samples"], fraction: float, classes: int, generator: torch.Generator
) -> Int[Tensor, "samples"]:
    """The labels, of which exactly round(fraction * samples) are another class, each of the others as likely.

    Raises:
        ConfigError: if the fraction does not lie between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise ConfigError(f"a label noise of {fraction} is no fraction; give a number from 0 to 1.")
    wrong = torch.randperm(len(labels), generator=generator)[: round(fraction * len(labels))].to(labels.device)
    away = torch.randint(1, classes, (len(wrong),), generator=generator).to(labels)
    changed = labels.clone()
    changed[wrong] = (labels[wrong] + away) % classes
    return changed
