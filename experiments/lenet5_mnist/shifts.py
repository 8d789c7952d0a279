"""Training images moved by a few pixels, anew each time they are seen: a digit moved is the same digit."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class ShiftedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images and labels by lists of indices; every image is moved by up to `pixels` in each direction.

    The moves are drawn from torch's global generator, which a fit seeds. The background (the darkest value) moves in.
    """

    def __init__(self, images: Float[Tensor, "samples 1 rows columns"], labels: Int[Tensor, "samples"], pixels: int) -> None:
        """`pixels` is the longest move along each axis."""
        self.images, self.labels, self.pixels = images, labels, pixels
        self.background = float(images.min())

    def __len__(self) -> int:
        """Number of images: those that are moved are no further data."""
        return len(self.images)

    def __getitem__(self, index: list[int]) -> tuple[Tensor, Tensor]:
        """A batch."""
        images = self.images[index]
        return shifted(images, *self._moves(len(index)), self.pixels, self.background), self.labels[index]

    def _moves(self, count: int) -> tuple[Tensor, Tensor]:
        down, right = torch.randint(-self.pixels, self.pixels + 1, (2, count))
        return down, right


def shifted(
    images: Float[Tensor, "batch 1 rows columns"],
    down: Int[Tensor, "batch"],
    right: Int[Tensor, "batch"],
    pixels: int,
    background: float,
) -> Float[Tensor, "batch 1 rows columns"]:
    """Each image moved by its own number of pixels, `pixels` at most, with background moving in."""
    batch, _, height, width = images.shape
    padded = pad(images, (pixels, pixels, pixels, pixels), value=background)[:, 0]
    rows = (torch.arange(height) + pixels - down[:, None])[:, :, None]
    columns = (torch.arange(width) + pixels - right[:, None])[:, None, :]
    return padded[torch.arange(batch)[:, None, None], rows, columns][:, None]


def shifted_batches(images: Tensor, labels: Tensor, pixels: int, batch_size: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """A loader of whole batches, in random order."""
    data = ShiftedImages(images, labels, pixels)
    sampler = BatchSampler(RandomSampler(data), batch_size, drop_last=False)
    return DataLoader(data, sampler=sampler, batch_size=None)
