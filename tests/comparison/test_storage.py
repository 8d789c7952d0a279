"""Comparisons as files: they come back whole, exist or do not, and damage is refused by name."""

import errno

import h5py
import numpy as np
import pytest
import xarray as xr

import bayes_guided as bg
from bayes_guided.comparison import Comparison
from bayes_guided.exceptions import ComparisonFileError, OutputExistsError, RunFolderError

from .fakes import independent_prior, product_table, small_architecture, table_fit


@pytest.fixture(scope="module")
def comparison():
    prior = independent_prior(small_architecture(4, 2), [0.0] * 6)
    return bg.compare(prior, table_fit(prior, *product_table([0.9, 0.5, 0.5, 0.1, 0.5, 0.5])), draws=20)


@pytest.fixture(scope="module")
def several(comparison):
    return bg.comparison.side_by_side({"one": comparison, "two": comparison})


def test_comparisons_come_back_to_the_bit(comparison, several, tmp_path):
    for name, original in (("one", comparison), ("several", several)):
        path = tmp_path / "new" / f"{name}.nc"
        original.to_netcdf(path)
        loaded = Comparison.from_netcdf(path)
        assert loaded.dataset.identical(original.dataset)
        assert (loaded.reading, loaded.groups, loaded.fits) == (original.reading, original.groups, original.fits)
        loaded.to_netcdf(tmp_path / f"{name} again.nc")
        assert Comparison.from_netcdf(tmp_path / f"{name} again.nc").dataset.identical(original.dataset)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["one.nc", "several.nc"]


def test_plain_xarray_reads_the_file(comparison, tmp_path):
    comparison.to_netcdf(tmp_path / "c.nc")
    with xr.open_dataset(tmp_path / "c.nc", engine="h5netcdf") as plain:
        assert plain["log_bayes_factor"].attrs["units"] == "nats"
        assert plain["protected"].dtype == bool
        xr.testing.assert_equal(plain.load(), comparison.dataset)


def test_an_existing_file_is_kept_unless_forced(comparison, several, tmp_path):
    path = tmp_path / "c.nc"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"c.nc"):
        comparison.to_netcdf(path)
    assert path.read_bytes() == b"mine"
    comparison.to_netcdf(path, force=True)
    several.to_netcdf(path, force=True)
    assert Comparison.from_netcdf(path).fits == ["one", "two"]


def test_a_full_disk_leaves_nothing_half_written(comparison, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunFolderError, match="No space left"):
            comparison.to_netcdf(tmp_path / "c.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage", ["missing", "a folder", "empty", "truncated", "text", "foreign", "version", "changed", "cut"]
)
def test_damaged_files_are_refused_by_name(comparison, tmp_path, damage):
    path = tmp_path / "c.nc"
    comparison.to_netcdf(path)
    content = path.read_bytes()
    if damage in ("missing", "a folder"):
        path.unlink()
        if damage == "a folder":
            path.mkdir()
    elif damage == "foreign":
        xr.Dataset({"x": ("a", np.ones(3))}).to_netcdf(path, engine="h5netcdf")
    elif damage in ("version", "changed", "cut"):
        with h5py.File(path, "r+") as file:
            if damage == "version":
                file.attrs["format"] = "bayes_guided comparison 0"
            elif damage == "changed":
                file["posterior_survival"][0, 0] = 0.123
            else:
                del file["log_bayes_factor"]
    else:
        path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2], "text": b"hello"}[damage])
    with pytest.raises(ComparisonFileError, match=r"c.nc"):
        Comparison.from_netcdf(path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # h5netcdf closes what it never opened
def test_no_flipped_byte_gives_another_comparison(comparison, tmp_path):
    path = tmp_path / "c.nc"
    comparison.to_netcdf(path)
    content, refused = path.read_bytes(), 0
    places = np.random.default_rng(0).integers(len(content), size=12)
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        try:
            assert Comparison.from_netcdf(path).dataset.identical(comparison.dataset)
        except ComparisonFileError:
            refused += 1
    assert refused > 0
