import shutil
from pathlib import Path

import numpy as np
import pytest

from bayes_guided.datasets import load_uci, uci_splits
from bayes_guided.exceptions import ChecksumError, DataFileError, SplitIndexError

UCI = Path(__file__).parents[2].parent / "shared" / "data" / "uci"
needs_files = pytest.mark.skipif(not UCI.is_dir(), reason="the UCI files of ../shared/data are not here")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six rows of two features around a target in the middle column, two splits."""
    folder = tmp_path / "small"
    folder.mkdir()
    table = np.arange(18.0).reshape(6, 3) ** 2
    (folder / "data.txt").write_text("".join(" \t".join(f"{cell:g}" for cell in row) + " \n" for row in table) + "\n")
    for name, indices in {
        "features": [0, 2],
        "target": [1],
        "train_0": [5, 0, 3, 2],
        "test_0": [4, 1],
        "train_1": [0, 1, 2],
        "test_1": [3, 4, 5],
    }.items():
        (folder / f"index_{name}.txt").write_text("".join(f"{index}\n" for index in indices))
    return folder


def test_rows_columns_and_scales_are_those_of_the_index_files(folder: Path) -> None:
    data = load_uci(folder)
    table = np.arange(18.0).reshape(6, 3) ** 2
    train, test = [5, 0, 3, 2], [4, 1]
    x, y = table[:, [0, 2]], table[:, 1]
    np.testing.assert_allclose(data.train_x, (x[train] - x[train].mean(0)) / x[train].std(0), rtol=1e-5)
    np.testing.assert_allclose(data.test_x, (x[test] - x[train].mean(0)) / x[train].std(0), rtol=1e-5)
    np.testing.assert_allclose(data.test_y * data.target_std + data.target_mean, y[test], rtol=1e-5)
    np.testing.assert_allclose(data.train_y * data.target_std + data.target_mean, y[train], rtol=1e-4, atol=1e-4)
    assert (data.name, data.num_classes) == ("small", None)
    assert len(load_uci(folder, split=1).test_x) == 3
    assert uci_splits(folder) == [0, 1]


@pytest.mark.parametrize("split", [2, -1])
def test_a_split_out_of_range_is_refused_with_those_that_are_there(folder: Path, split: int) -> None:
    with pytest.raises(SplitIndexError, match=f"no split {split}; splits 0, 1 are there"):
        load_uci(folder, split=split)


def test_a_missing_folder_and_a_folder_of_other_files_are_told_apart(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="none: is not a folder"):
        load_uci(tmp_path / "none")
    with pytest.raises(SplitIndexError, match=r"no index_test_K\.txt is there"):
        load_uci(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.txt", "1 2 3\n1 x 3\n", "column 2, line 2: 'x' is not a number"),
        ("data.txt", "1 2 3\n1 2\n", "line 2 has 2 columns instead of 3"),
        ("data.txt", "", "has no data rows"),
        ("index_train_0.txt", "0\n6\n", "6 is none of the 6 rows 0 to 5"),
        ("index_train_0.txt", "0\n0.5\n", "0.5 is none of the 6 rows"),
        ("index_train_0.txt", "0\n0\n", "an index stands there twice"),
        ("index_features.txt", "0\n3\n", "3 is none of the 3 columns 0 to 2"),
        ("index_target.txt", "0\n", "give one column, and none of index_features.txt"),
        ("index_target.txt", "1\n2\n", "give one column"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(DataFileError, match=message) as error:
        load_uci(folder)
    assert name in str(error.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "index_train_1.txt").unlink()
    with pytest.raises(DataFileError, match=r"index_train_1\.txt"):
        load_uci(folder, split=1)


def test_a_row_in_both_parts_is_refused(folder: Path) -> None:
    (folder / "index_test_0.txt").write_text("4\n3\n")
    with pytest.raises(SplitIndexError, match="row 3 is in both parts of split 0"):
        load_uci(folder)


def test_a_constant_target_is_refused(folder: Path) -> None:
    (folder / "data.txt").write_text("".join(f"{row} 7 {row}\n" for row in range(6)))
    with pytest.raises(DataFileError, match="the target is 7 in every training row"):
        load_uci(folder)


@needs_files
@pytest.mark.parametrize(
    ("name", "features", "rows"), [("concrete", 8, 1030), ("energy", 8, 768), ("power-plant", 4, 9568), ("yacht", 6, 308)]
)
def test_the_public_files_pass_their_checksums(name: str, features: int, rows: int) -> None:
    assert uci_splits(UCI / name) == [0, 1, 2, 3, 4]
    for split in (0, 4):
        data = load_uci(UCI / name, split=split)
        assert data.train_x.shape[1] == features
        assert len(data.train_x) + len(data.test_x) == rows


@needs_files
def test_a_changed_digit_in_a_public_file_is_refused_under_its_own_name_only(tmp_path: Path) -> None:
    shutil.copytree(UCI / "yacht", tmp_path / "yacht")
    table = tmp_path / "yacht" / "data.txt"
    table.write_text(table.read_text().replace("0.568", "0.569", 1))
    with pytest.raises(ChecksumError, match=r"data\.txt: SHA-256 .* rename its folder"):
        load_uci(tmp_path / "yacht")
    (tmp_path / "yacht").rename(tmp_path / "mine")
    assert load_uci(tmp_path / "mine").name == "mine"
