"""Training images moved by a few pixels, anew each time they are seen: a digit moved is the same digit."""

from math import isqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class ShiftedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images and targets by lists of indices; each image moves by up to `pixels` along both axes, all moves equally probable.

    The moves are drawn from torch's global generator, which a fit seeds. What comes in at the border is the background, the
    darkest value of all images. The number of cases N stays that of the images: those that are moved are no further data.
    """

    def __init__(self, images: Float[Tensor, "images ..."], targets: Tensor, pixels: int) -> None:
        """Images are flat and square, (N, side * side), or (N, channels, rows, columns), and come out in the same shape.

        `targets` (N, ...) go with the images; `pixels` is the longest move.

        Raises:
            ValueError: for flat images that are not square, and for images of another number of dimensions.
        """
        self.flat, self.targets, self.pixels = images.dim() == 2, targets, pixels
        square = _square(images) if self.flat else images
        if square.dim() != 4:
            raise ValueError(f"images of shape {tuple(images.shape)}; give (N, side * side) or (N, channels, rows, columns).")
        margin = pad(square, (pixels,) * 4, value=float(images.min()))
        # Every place of the frame at which an image can be cut out, as a view: a batch is then one indexing.
        self.views = margin.unfold(2, square.shape[2], 1).unfold(3, square.shape[3], 1)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.targets)

    def __getitem__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A batch."""
        chosen = torch.as_tensor(indices)
        down, right = torch.randint(-self.pixels, self.pixels + 1, (2, len(chosen)))
        return self.moved(chosen, down, right), self.targets[chosen]

    def moved(
        self, chosen: Int[Tensor, "batch"], down: Int[Tensor, "batch"], right: Int[Tensor, "batch"]
    ) -> Float[Tensor, "batch ..."]:
        """The chosen images, each moved by its own number of pixels, at most `pixels`."""
        images = self.views[chosen, :, self.pixels - down, self.pixels - right]
        return images.flatten(1) if self.flat else images


def shifted_batches(images: Tensor, targets: Tensor, pixels: int, batch_size: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """A loader of `ShiftedImages` in random order, whole batches at a time."""
    data = ShiftedImages(images, targets, pixels)
    # The sampler asks for lists of indices, which is many times faster than one image after the other.
    return DataLoader(data, sampler=BatchSampler(RandomSampler(data), batch_size, drop_last=False), batch_size=None)


def _square(images: Tensor) -> Tensor:
    side = isqrt(images.shape[1])
    if side**2 != images.shape[1]:
        raise ValueError(f"flat images of {images.shape[1]} pixels are not square; give them as (N, channels, rows, columns).")
    return images.reshape(-1, 1, side, side)
