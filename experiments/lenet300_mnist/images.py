"""Training images that are shifted at random: the only change of the data in this experiment."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

SIDE = 28


class Shifted(TorchDataset[tuple[Tensor, Tensor]]):
    """Flat images, each time moved by -1, 0 or 1 pixels along both axes, all nine moves being equally probable.

    What comes in at the border is the background. The moves are drawn from torch's generator, so that a fit's seed governs
    them; the number of cases N stays that of the images.
    """

    def __init__(self, images: Float[Tensor, "images features"], labels: Int[Tensor, "images"]) -> None:
        """Keeps a copy of the images with one more pixel at every border."""
        square = images.view(-1, SIDE, SIDE)
        self.padded = nn.functional.pad(square, (1, 1, 1, 1), value=float(images.min()))
        self.labels = labels

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One image and its label."""
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, index: list[int]) -> tuple[Tensor, Tensor]:
        """A batch of images and their labels: what a DataLoader asks for, much faster than one by one."""
        chosen = torch.as_tensor(index)
        moves = torch.randint(9, (len(chosen),))
        images = torch.empty(len(chosen), SIDE, SIDE, dtype=self.padded.dtype)
        for move in range(9):
            down, right = divmod(move, 3)
            here = (moves == move).nonzero().squeeze(1)
            images[here] = self.padded[chosen[here], down : down + SIDE, right : right + SIDE]
        return images.flatten(1), self.labels[chosen]


def shifted(data: tuple[Tensor, Tensor], batch_size: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """A loader of shifted images in random order."""
    return DataLoader(Shifted(*data), batch_size=batch_size, shuffle=True, collate_fn=lambda batch: batch)
