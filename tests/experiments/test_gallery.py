"""The gallery draws every plot of the package from what is stored, and shows what it draws."""

import re
from pathlib import Path

import numpy as np
import pytest

from bayes_guided import plots
from experiments.gallery import run, storage
from experiments.gallery.pages import PAGES
from tests.plots.checks import assert_legible
from tests.plots.curves import calibration, occam, path, readings

README = (run.HERE / "README.md").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_drawn_from_the_stored_results(name: str) -> None:
    assert_legible(PAGES[name]())


def test_every_plot_is_there_and_every_picture_shown() -> None:
    drawing = {name for name in vars(plots) if callable(getattr(plots, name))} - {"panels", "save"}
    assert drawing <= set(PAGES)
    assert set(re.findall(r"figures/(\w+)\.png", README)) == set(PAGES)
    assert {found.stem for found in (run.HERE / "figures").glob("*.png")} == set(PAGES)
    assert all(f"`{name}(" in README for name in drawing)


@pytest.mark.parametrize("value", [occam([1, 2, 4]), readings(), path("linear"), path("a", evidence=False), calibration()])
def test_what_is_stored_comes_back(value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RESULTS", tmp_path)
    storage.store("it", [value])
    (found,) = storage.load("it")
    assert type(found) is type(value)
    for name, expected in vars(value).items():
        content = getattr(found, name)
        if isinstance(expected, dict):
            assert {key: np.asarray(part).tolist() for key, part in content.items()} == {
                key: np.asarray(part).tolist() for key, part in expected.items()
            }
        elif hasattr(expected, "dtype"):
            assert content.dtype == expected.dtype
            np.testing.assert_allclose(content, expected, atol=1e-6)
        else:
            assert content == expected


def test_results_are_small() -> None:
    assert sum(path.stat().st_size for path in storage.RESULTS.iterdir()) < 1_000_000
