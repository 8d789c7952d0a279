"""Folders of IDX files, the format of MNIST and its relatives [LeCun1998, the MNIST page].

Header: two zero bytes, a type code (0x08: unsigned byte), the number of dimensions, then each dimension as a big-endian
32-bit integer; the values follow, the last dimension running fastest.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from bayes_guided.exceptions import DataError, DataFileError

from .checksums import check_known
from .dataset import Dataset
from .scaling import standardise_images

_UNSIGNED_BYTE = 0x08


def load_idx(folder: str | Path, *, flat: bool = True) -> Dataset:
    """The four files of MNIST's names (gzipped or not) in `folder`, as a classification data set named after it.

    Inputs are (N, H * W), or (N, 1, H, W) with `flat=False`: pixels in [0, 1], then less the mean and over the standard
    deviation of the training pixels. The number of classes is the largest label plus one.

    Raises:
        DataFileError: if a file is missing, damaged, truncated or of another kind, or if two files do not belong
            together.
        ChecksumError: if a folder of the name mnist or fashion-mnist holds other images or labels.
    """
    folder = Path(folder)
    train_images, train_labels = _read_part(folder, "train")
    test_images, test_labels = _read_part(folder, "t10k")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataFileError(
            f"{folder}: training images are {train_images.shape[1:]} and test images {test_images.shape[1:]} pixels; "
            "the files belong to different data sets."
        )
    try:
        train_x, test_x = standardise_images(_unit_pixels(train_images), _unit_pixels(test_images))
    except DataError as error:
        raise DataFileError(f"{_find(folder, 'train-images-idx3-ubyte')}: {error}") from error
    return Dataset(
        train_x.flatten(1) if flat else train_x,
        torch.from_numpy(train_labels.astype(np.int64)),
        test_x.flatten(1) if flat else test_x,
        torch.from_numpy(test_labels.astype(np.int64)),
        name=folder.resolve().name,
        num_classes=int(max(train_labels.max(), test_labels.max())) + 1,
    )


def _unit_pixels(images: UInt8[np.ndarray, "samples height width"]) -> Float[Tensor, "samples 1 height width"]:
    return torch.from_numpy(images.astype(np.float32)).div_(255.0).unsqueeze(1)


def _read_part(folder: Path, part: str) -> tuple[UInt8[np.ndarray, "samples height width"], UInt8[np.ndarray, " samples"]]:
    images_path = _find(folder, f"{part}-images-idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if len(images) != len(labels):
        raise DataFileError(
            f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path.name}; "
            "fetch both files from the same source."
        )
    return images, labels


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataFileError(f"{folder}: neither {name} nor {name}.gz is there; put the file there or give another folder.")


def _read(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """The values of one file, checked against its header to the byte and, if it is a known file, its digest."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header, shape = _read_header(file, path, dimensions)
            size = math.prod(shape)
            # One byte beyond the end shows a file that is too long without reading all of it.
            values = _read_at_most(file, size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(f"{path}: cannot be read to its end ({error}); fetch the file again.") from error
    if len(values) < size:
        raise DataFileError(f"{path}: truncated, {len(values)} of {size} bytes after the header; fetch the file again.")
    if len(values) > size:
        raise DataFileError(f"{path}: longer than its header says ({size} bytes); fetch the file again.")
    check_known(path, header + values)
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_at_most(file: io.BufferedIOBase, limit: int) -> bytearray:
    """Up to `limit` bytes, in pieces: a damaged header may ask for more than the memory holds."""
    content = bytearray()
    while piece := file.read(min(limit - len(content), 1 << 24)):
        content += piece
    return content


def _read_header(file: io.BufferedIOBase, path: Path, dimensions: int) -> tuple[bytes, tuple[int, ...]]:
    """The header's bytes, and the shape it gives."""
    magic, expected = file.read(4), bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if magic != expected:
        raise DataFileError(
            f"{path}: starts with 0x{magic.hex()}, but an IDX file of unsigned bytes in {dimensions} dimension(s) with "
            f"0x{expected.hex()}; the file is damaged or of another kind."
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataFileError(f"{path}: truncated inside its header; fetch the file again.")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise DataFileError(f"{path}: empty, its header says {shape}; fetch the file again.")
    return magic + sizes, shape
