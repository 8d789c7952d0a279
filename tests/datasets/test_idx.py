import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from bayes_guided.datasets import load_idx
from bayes_guided.exceptions import DataFileError

MNIST = Path(__file__).parents[2].parent / "shared" / "data" / "mnist"
TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"


def encode(values: np.ndarray, type_code: int = 8) -> bytes:
    header = bytes([0, 0, type_code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


def make_folder(folder: Path, *, gzipped: bool = False, **replaced: bytes) -> dict[str, np.ndarray]:
    """Four small files; `replaced` gives other bytes for a file by its part and kind, as train_images=..."""
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (6, 3, 4)),
        "train_labels": np.array([0, 1, 2, 2, 1, 0]),
        "t10k_images": rng.integers(0, 256, (2, 3, 4)),
        "t10k_labels": np.array([1, 3]),
    }
    for key, array in arrays.items():
        part, kind = key.split("_")
        name = f"{part}-{kind}-idx{array.ndim}-ubyte"
        content = replaced.get(key, encode(array))
        if gzipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return arrays


@pytest.mark.parametrize("gzipped", [False, True])
def test_values_labels_and_scale(tmp_path, gzipped):
    arrays = make_folder(tmp_path, gzipped=gzipped)
    data = load_idx(tmp_path, flat=False)
    pixels = arrays["train_images"] / 255
    mean, std = pixels.mean(), pixels.std()
    np.testing.assert_allclose(data.train_x.numpy()[:, 0], (pixels - mean) / std, atol=1e-5)
    np.testing.assert_allclose(data.test_x.numpy()[:, 0], (arrays["t10k_images"] / 255 - mean) / std, atol=1e-5)
    assert data.train_y.tolist() == arrays["train_labels"].tolist()
    assert data.test_y.tolist() == [1, 3]
    assert (data.train_x.dtype, data.train_y.dtype) == (torch.float32, torch.int64)
    assert (data.name, data.num_classes) == (tmp_path.name, 4)


def test_flat_rows_run_along_the_image_s_rows(tmp_path):
    make_folder(tmp_path)
    flat, images = load_idx(str(tmp_path)), load_idx(tmp_path, flat=False)
    assert flat.train_x.shape == (6, 12)
    assert torch.equal(flat.train_x[:, 4 * 2 + 1], images.train_x[:, 0, 2, 1])


def test_a_missing_file_is_named_with_both_its_names(tmp_path):
    make_folder(tmp_path)
    (tmp_path / TRAIN_LABELS).unlink()
    with pytest.raises(DataFileError, match=f"neither {TRAIN_LABELS} nor {TRAIN_LABELS}.gz is there"):
        load_idx(tmp_path)


IMAGES = encode(np.arange(6 * 3 * 4).reshape(6, 3, 4))


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (IMAGES[:-1], "truncated, 71 of 72 bytes"),
        (IMAGES[:16], "truncated, 0 of 72 bytes"),
        (IMAGES + b"x", "longer than its header says"),
        (IMAGES[:10], "truncated inside its header"),
        (IMAGES[:3], "starts with 0x000008, but an IDX file"),
        (b"", "starts with 0x, but an IDX file"),
        (encode(np.zeros((6, 3, 4)), type_code=13), "starts with 0x00000d03"),
        (encode(np.zeros((6, 12))), "starts with 0x00000802"),
        (b"\x01" + IMAGES[1:], "starts with 0x01000803"),
        (encode(np.zeros((0, 3, 4))), r"empty, its header says \(0, 3, 4\)"),
        (encode(np.full((6, 3, 4), 255)), "every training pixel is 1"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 3, 4), "truncated, 0 of"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, gzipped, content, message):
    make_folder(tmp_path, gzipped=gzipped, train_images=content)
    with pytest.raises(DataFileError, match=f"{TRAIN_IMAGES}.*{message}"):
        load_idx(tmp_path)


def test_a_gzip_stream_cut_at_any_byte_is_refused(tmp_path):
    make_folder(tmp_path, gzipped=True)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataFileError, match=TRAIN_IMAGES):
            load_idx(tmp_path)


def test_a_gzip_stream_with_a_flipped_byte_is_refused(tmp_path):
    make_folder(tmp_path, gzipped=True)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(DataFileError, match=TRAIN_IMAGES):
        load_idx(tmp_path)


def test_files_of_unequal_length_are_refused(tmp_path):
    make_folder(tmp_path, train_labels=encode(np.zeros(5)))
    with pytest.raises(DataFileError, match=f"{TRAIN_LABELS}: 5 labels for the 6 images of {TRAIN_IMAGES}"):
        load_idx(tmp_path)


def test_parts_of_unequal_image_size_are_refused(tmp_path):
    make_folder(tmp_path, t10k_images=encode(np.zeros((2, 4, 3))))
    with pytest.raises(DataFileError, match=r"training images are \(3, 4\) and test images \(4, 3\)"):
        load_idx(tmp_path)


@pytest.mark.mnist
@pytest.mark.skipif(not MNIST.is_dir(), reason=f"the MNIST files are not in {MNIST}")
def test_mnist_has_its_published_sizes_and_statistics():
    data = load_idx(MNIST)
    assert (data.train_x.shape, data.test_x.shape, data.num_classes) == ((60_000, 784), (10_000, 784), 10)
    assert torch.bincount(data.train_y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    # Training pixels in [0, 1] have mean 0.1307 and standard deviation 0.3081.
    assert float(data.train_x.min()) == pytest.approx(-0.1307 / 0.3081, abs=1e-3)
    assert float(data.train_x.max()) == pytest.approx((1 - 0.1307) / 0.3081, abs=1e-3)
    assert float(data.train_x.double().mean()) == pytest.approx(0.0, abs=1e-4)
