"""A teacher and what it says of every training image: class probabilities, from which a small network is refitted."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

import bayes_guided as bg
from experiments.shifts import ShiftedImages, shifted_batches

from .net import WithDropout
from .units import architecture_of

Pair = tuple[Tensor, Tensor]


def ridge_fit(net: nn.Module, data: Any, recipe: Mapping[str, Any], seed: int) -> bg.MAPFit:
    """A network fitted under a weak ridge alone: no guidance, no unit leaves; every weight has its own second moment."""
    ridge = bg.priors.Normal(recipe["ridge"])
    return bg.fit_map(
        net.to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]  the layout that is fast
        bg.GuidedPrior(architecture_of(net), weights=ridge, rest=ridge),
        data,
        epochs=recipe["epochs"],
        batch_size=recipe["batch_size"],
        lr=recipe["lr"],
        metric="weight",
        seed=seed,
        progress=False,
    )


class Teacher(nn.Module):
    """The mean prediction of some networks."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Float[Tensor, "batch 1 _ _"], temperature: float = 1.0) -> Float[Tensor, "batch 10"]:
        """Class probabilities; `temperature` divides the outputs before the softmax, and above 1 shows what comes second."""
        said = [(member(images) / temperature).softmax(dim=1) for member in self.members]
        return torch.stack(said).mean(dim=0)


def taught(net: nn.Module, training: Pair, recipe: Mapping[str, Any], *, shift: int, seed: int) -> Teacher:
    """The network with dropout, fitted to the labels of the training images, shifted if the student's are.

    Its members start alike; what they see in which order and what is dropped differ.
    """

    def member(number: int) -> nn.Module:
        images = shifted_batches(*training, shift, recipe["batch_size"])
        return ridge_fit(WithDropout(net, recipe["dropout"]), images, recipe, seed + number).net

    return Teacher([member(number) for number in range(recipe["members"])]).eval()


class TaughtImages(Dataset[Pair]):
    """Images by lists of indices, moved as `ShiftedImages` moves them, with what a teacher says of them where they are.

    The teacher is asked once for every image and move, (2 `pixels` + 1)^2 times in all.
    """

    def __init__(
        self, images: Float[Tensor, "images 1 rows columns"], teacher: Teacher, pixels: int, temperature: float
    ) -> None:
        """`pixels` is the longest move, `temperature` the teacher's."""
        self.pixels = pixels
        self.shifted = ShiftedImages(images, torch.zeros(len(images)), pixels)
        self.probabilities = self._ask(teacher, temperature)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.shifted)

    def __getitem__(self, indices: list[int]) -> Pair:
        """A batch and its probabilities, (batch, classes)."""
        chosen = torch.as_tensor(indices)
        down, right = torch.randint(-self.pixels, self.pixels + 1, (2, len(chosen)))
        said = self.probabilities[down + self.pixels, right + self.pixels, chosen]
        return self.shifted.moved(chosen, down, right), said

    @torch.no_grad()
    def _ask(self, teacher: Teacher, temperature: float) -> Float[Tensor, "down right images classes"]:
        moves = range(-self.pixels, self.pixels + 1)

        def said(down: int, right: int) -> Tensor:
            parts = torch.arange(len(self)).split(1024)
            moved = (self.shifted.moved(part, torch.full_like(part, down), torch.full_like(part, right)) for part in parts)
            return torch.cat([teacher(images, temperature) for images in moved])

        return torch.stack([torch.stack([said(down, right) for right in moves]) for down in moves])

    def batches(self, batch_size: int) -> DataLoader[Pair]:
        """A loader in random order, whole batches at a time."""
        return DataLoader(self, sampler=BatchSampler(RandomSampler(self), batch_size, drop_last=False), batch_size=None)
