"""Figures on disk, and the style that leaves nothing behind."""

from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import bayes_guided
from bayes_guided import plots
from bayes_guided.exceptions import RunFolderError
from bayes_guided.plots.style import styled
from tests.plots.checks import figure_of
from tests.plots.comparisons import made_up


def _figure() -> Figure:
    return figure_of(plots.row_norms(made_up({"layers.0": 3})))


def test_png_and_pdf_for_a_paper_column(tmp_path: Path) -> None:
    png, pdf = plots.save(_figure(), tmp_path / "new", "norms")
    assert (png, pdf) == (tmp_path / "new" / "norms.png", tmp_path / "new" / "norms.pdf")
    assert imread(png).shape[1] == 990, "3.3 inches at 300 dots"
    content = pdf.read_bytes()
    assert b"/TrueType" in content or b"/CIDFontType2" in content
    assert b"/Type3" not in content, "text stays text"


def test_the_same_figure_gives_the_same_files(tmp_path: Path) -> None:
    first, second = plots.save(_figure(), tmp_path / "a", "x"), plots.save(_figure(), tmp_path / "b", "x")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write"):
        plots.save(_figure(), tmp_path / "file", "x")


def test_a_users_own_settings_come_back_also_after_an_error() -> None:
    @styled
    def fail() -> None:
        raise KeyError(mpl.rcParams["font.size"])

    with mpl.rc_context({"font.size": 23.0, "lines.linewidth": 9.0}):
        before = dict(mpl.rcParams.items())
        plots.row_norms(made_up({"a": 2}))
        with pytest.raises(KeyError, match=r"8\.0"):
            fail()
        assert dict(mpl.rcParams.items()) == before


def test_the_package_never_imports_pyplot() -> None:
    """pyplot keeps figures alive and chooses a window system; importing it is the caller's business."""
    sources = Path(bayes_guided.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "pyplot" in path.read_text(encoding="utf-8")]
