import gzip
from pathlib import Path

import pytest

from bayes_guided.datasets import load_idx
from bayes_guided.datasets.checksums import check_known
from bayes_guided.exceptions import ChecksumError

from .test_idx import make_folder

IMAGES = "train-images-idx3-ubyte"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_other_images_under_a_known_name_are_refused(tmp_path: Path, name: str, gzipped: bool) -> None:
    (tmp_path / name).mkdir()
    make_folder(tmp_path / name, gzipped=gzipped)
    with pytest.raises(ChecksumError, match=f"{name}/{IMAGES}.*SHA-256.*rename its folder"):
        load_idx(tmp_path / name)


@pytest.mark.parametrize("name", ["MNIST", "MNIST/raw", "FashionMNIST/raw", "fashion_mnist", "power_plant"])
def test_other_spellings_are_known_too(tmp_path: Path, name: str) -> None:
    with pytest.raises(ChecksumError):
        check_known(tmp_path / name / ("data.txt" if "plant" in name else IMAGES), b"anything")


def test_files_of_other_names_are_not_checked(tmp_path: Path) -> None:
    for folder, name in (("mine", IMAGES), ("mnist", "notes.txt")):
        check_known(tmp_path / folder / name, b"anything")


def test_the_folder_s_real_name_counts(tmp_path: Path) -> None:
    """A path that ends in ".." or is a link is still the known folder."""
    (tmp_path / "yacht" / "inner").mkdir(parents=True)
    with pytest.raises(ChecksumError):
        check_known(tmp_path / "yacht" / "inner" / ".." / "data.txt", b"anything")


@pytest.mark.mnist
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_public_files_pass_however_they_are_compressed(tmp_path: Path, name: str) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the files of ../shared/data/{name} are not here")
    for packed in sorted((SHARED / name).glob("*.gz")):
        content = gzip.decompress(packed.read_bytes())
        check_known(packed, content)
        check_known(packed.with_suffix(""), content)
        with pytest.raises(ChecksumError):
            check_known(packed, content[:-1] + bytes([content[-1] ^ 1]))
