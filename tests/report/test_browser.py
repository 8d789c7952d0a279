"""The page in a real browser: nothing goes wrong, the table sorts and filters, the slider moves."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.pages import Page, column

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless browser for all tests."""
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a page from disk, and fails at the end if it complained, or asked for anything but itself."""
    complaints: list[str] = []
    asked: list[str] = []

    def opened(text: str, **settings: Any) -> Any:
        file = tmp_path / "page.html"
        file.write_text(text)
        tab = browser.new_page(viewport={"width": 1280, "height": 900}, **settings)
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.set_default_timeout(10_000)
        tab.goto(file.as_uri())
        return tab

    yield opened
    assert complaints == []
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "page.html").as_uri()]


def cells(tab: Any, place: int) -> list[str]:
    return tab.locator(f"#unit-table tbody tr > :nth-child({place})").all_text_contents()


def heading(tab: Any, label: str) -> tuple[Any, int]:
    """A heading of the table of units, and the number of its column."""
    names = tab.locator("#unit-table thead button").all_text_contents()
    return tab.get_by_role("button", name=label, exact=True), names.index(label) + 1


def test_the_table_sorts_both_ways_by_keyboard(show: Any, page: str) -> None:
    tab = show(page)
    run = Page(page).data["runs"][0]
    factors = np.sort(column(run, "log_bayes_factor"))
    button, place = heading(tab, "log Bayes factor (nats)")
    for expected, state in ((factors[::-1], "descending"), (factors, "ascending")):
        button.focus()
        tab.keyboard.press("Enter")
        assert tab.locator("#unit-table th[aria-sort]").get_attribute("aria-sort") == state
        shown = [float(text.replace("−", "-")) for text in cells(tab, place)]
        np.testing.assert_allclose(shown, expected[:25], rtol=1e-3)


def test_the_table_filters(show: Any, page: str) -> None:
    tab = show(page)
    run = Page(page).data["runs"][0]
    tab.select_option("#filter-group", label=run["groups"][1])
    assert cells(tab, 1) == [run["groups"][1]] * run["sizes"][1]
    tab.fill("#filter-unit", "2-3")
    assert cells(tab, 2) == ["2", "3"]
    tab.click("button[type=reset]")
    tab.wait_for_function(f"document.querySelectorAll('#unit-table tbody tr').length === {sum(run['sizes'])}")
    tab.select_option("#filter-kind", "in")
    assert len(cells(tab, 1)) == column(run, "in_model").sum()


def test_hover_and_arrow_keys_read_a_unit(show: Any, page: str) -> None:
    tab = show(page)
    run = Page(page).data["runs"][0]
    strip = tab.locator(".strip canvas").first
    box = strip.bounding_box()
    strip.hover(position={"x": box["width"] * 2.5 / run["sizes"][0], "y": 5})
    said = tab.locator("#readout").text_content()
    assert said.startswith(f"{run['groups'][0]}, unit 2:")
    assert f"prior survival {column(run, 'prior_survival')[2]:.4g}; " in said
    strip.focus()
    tab.keyboard.press("ArrowRight")
    assert ", unit 3:" in tab.locator("#readout").text_content()


def test_a_value_in_full_on_hover(show: Any, page: str) -> None:
    tab = show(page)
    _, place = heading(tab, "row norm")
    titles = tab.locator(f"#unit-table tbody tr > :nth-child({place})").evaluate_all("cells => cells.map(c => c.title)")
    shown = [float(title.rpartition(": ")[2]) for title in titles]
    np.testing.assert_allclose(shown, column(Page(page).data["runs"][0], "row_norm")[: len(shown)], rtol=1e-7)


def test_the_slider_moves_along_the_path(show: Any, path_page: str) -> None:
    tab = show(path_page)
    slider = tab.locator("#strength")
    seen = []
    for _ in range(3):
        visible = tab.locator("#found ~ [data-run]:visible h3").text_content()
        seen.append((visible, tab.locator(".marker").first.get_attribute("x1"), tab.locator("#strength-said").text_content()))
        assert tab.locator("#run-choice option:checked").text_content() == visible
        slider.focus()
        tab.keyboard.press("ArrowRight")
    assert [name for name, _, _ in seen] == ["weak", "middle", "strong"]
    assert sorted(float(x) for _, x, _ in seen) == [float(x) for _, x, _ in seen]
    assert all(f"({name})" in said for name, _, said in seen)
    tab.select_option("#run-choice", label="weak")
    assert slider.input_value() == "0"


def test_a_single_run_has_no_slider(show: Any, page: str) -> None:
    tab = show(page)
    assert tab.locator("#strength").count() == tab.locator("#run-choice").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshot_shows_ink_on_the_ground_and_fits(show: Any, page: str, tmp_path: Path, scheme: str) -> None:
    import matplotlib.image

    tab = show(page, color_scheme=scheme)
    tab.screenshot(path=tmp_path / "page.png")
    pixels = matplotlib.image.imread(tmp_path / "page.png")[..., :3]
    assert pixels.std() > 0.03, "an empty page is one colour"
    assert (pixels.mean() > 0.5) == (scheme == "light")
    for width in (1280, 400):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out at the side"


def test_prints(show: Any, page: str, tmp_path: Path) -> None:
    tab = show(page)
    tab.emulate_media(media="print")
    assert not tab.locator("nav").is_visible()
    assert not tab.locator("#filters").is_visible()
    tab.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
