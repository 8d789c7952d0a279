"""A larger, convolutional network whose predictive probabilities the small ones learn from, beside the labels."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

import bayes_guided as bg
from experiments.shifts import ShiftedImages, shifted_batches

Pair = tuple[Tensor, Tensor]
BATCH = 2000
"""Images that the teacher answers for at a time."""


def convolutional(channels: tuple[int, int], hidden: int, dropout: tuple[float, float]) -> nn.Sequential:
    """5 x 5 convolutions of these channels, each pooled by 2, then `hidden` units; dropout before either linear layer.

    It takes flat images of 784 pixels.
    """
    first, second = channels
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, first, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(first, second, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(dropout[0]), nn.Linear(16 * second, hidden), nn.ReLU()),
        *(nn.Dropout(dropout[1]), nn.Linear(hidden, 10)),
    )


def teacher(train: Pair, chosen: dict[str, Any], moves: bool, seed: int) -> bg.MAPFit:
    """The teacher's MAP under a ridge, on the training images as they are or, if `moves`, shifted."""
    torch.manual_seed(seed)
    net = convolutional(tuple(chosen["channels"]), chosen["hidden"], tuple(chosen["dropout"]))
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  the layout that is fast
    ridge = bg.priors.Normal(chosen["ridge"])
    size = chosen["batch_size"]
    return bg.fit_map(
        net,
        bg.GuidedPrior(bg.Architecture.from_module(net, torch.zeros(4, 784)), weights=ridge, rest=ridge),
        shifted_batches(*train, 1, size) if moves else train,
        epochs=chosen["epochs"],
        batch_size=size,
        lr=chosen["lr"],
        seed=seed,
        progress=False,
    )


def mixed_labels(labels: Int[Tensor, "images"], answers: Float[Tensor, "images 10"], share: float) -> Tensor:
    """Class probabilities, a `share` of them the teacher's, the rest on the label."""
    return share * answers + (1 - share) * nn.functional.one_hot(labels, 10)


def answers(fit: bg.MAPFit, images: Float[Tensor, "images 784"], moves: bool) -> Float[Tensor, "images 10"]:
    """The teacher's class probabilities of each image; if `moves`, their mean over the nine moves of it."""
    if not moves:
        return _probabilities(fit, images)
    data, everything = ShiftedImages(images, images, 1), torch.arange(len(images))
    moved = (
        data.moved(everything, torch.full_like(everything, down), torch.full_like(everything, right))
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    )
    return torch.stack([_probabilities(fit, form) for form in moved]).mean(dim=0)


def _probabilities(fit: bg.MAPFit, images: Tensor) -> Tensor:
    return torch.cat([fit.predict(part) for part in images.split(BATCH)])
