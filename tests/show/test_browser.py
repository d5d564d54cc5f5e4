"""The pages in a browser: pointed at, driven by keys, narrow, printed, and never on the network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from layergeom.show.cells import with_error
from layergeom.show.comparison import comparison_page
from layergeom.show.report import write_report
from layergeom.tasks.compare import compare
from show.humps import layers

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs the package playwright, which drives the browser"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason=f"needs a browser in PATH: {', '.join(NAMES)}"
)
WIDTH, HEIGHT = 1280, 900


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(
    profile: Any, reading: Any, dynamics: Any, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    path = tmp_path_factory.mktemp("page") / "report.html"
    twice = (*profile.warnings, "block_1: 2% are twins.", "block_2: 3% are twins.")
    told = replace(profile, warnings=twice)
    others = tuple(replace(other, warnings=twice) for other in dynamics.profiles)
    everywhere = replace(dynamics, profiles=others)
    return write_report(path, told, reading, everywhere, "layergeom run 'a b' --k 10")


class Told(list[str]):
    """What the page complained of, and every address it asked for."""


@pytest.fixture(scope="module")
def shown(browser: Any, file: Any) -> Iterator[tuple[Any, Told]]:
    """The report, drawn once for all tests; a test leaves it as it found it."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page, told = context.new_page(), Told()
    page.on("console", lambda message: told.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("request", lambda request: told.append(f"request: {request.url}"))
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-drawn]", timeout=20_000)
    yield page, told
    context.close()


@pytest.fixture
def page(shown: tuple[Any, Told]) -> Iterator[Any]:
    page, _ = shown
    yield page
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.mouse.move(1, 1)
    page.focus("#figure-dimension")
    for key in ("End", "Escape"):
        page.keyboard.press(key)
    page.evaluate("document.activeElement.blur()")


def drawn(page: Any, *charts: str) -> list[str]:
    """Return the pictures of these charts as they are now."""
    return [page.inner_html(f"[data-chart={chart}] svg") for chart in charts]


def settle(page: Any, before: list[str], charts: tuple[str, ...], same: bool) -> list[str]:
    """Wait until all charts are as before, or until none is, and return those that are."""
    for _ in range(40):
        page.wait_for_timeout(50)
        now = drawn(page, *charts)
        alike = [name for name, a, b in zip(charts, before, now, strict=True) if a == b]
        if len(alike) == (len(charts) if same else 0):
            break
    return alike


LINKED = ("dimension", "overlaps", "anisotropy", "rank", "scales", "samples", "overlap_map")


def test_every_chart_is_drawn_without_a_complaint_or_a_request(shown: Any, file: Any) -> None:
    page, told = shown
    charts = page.locator("[data-chart]").count()
    assert page.get_attribute("body", "data-drawn") == str(charts)
    assert page.locator("[data-chart] svg").count() == charts
    assert told == [f"request: {file.as_uri()}"]


def point_at(page: Any, chart: str, share: float) -> None:
    """Move the pointer to a share of the breadth of a chart."""
    place = f"document.getElementById('figure-{chart}')"
    page.evaluate(f"{place}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    box = page.locator(f"[data-chart={chart}] svg").bounding_box()
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def test_the_pointer_moves_one_marker_through_all_figures(page: Any) -> None:
    point_at(page, "dimension", 0.8)
    page.mouse.move(1, 1)
    page.wait_for_timeout(300)  # a figure fits its width to the pixel when it is first drawn anew
    before = drawn(page, *LINKED)
    point_at(page, "dimension", 0.4)
    assert settle(page, before, LINKED, same=False) == []
    places = page.locator("tr.here").evaluate_all("rows => rows.map(row => row.dataset.place)")
    assert len(set(places)) == 1
    assert page.inner_text("#readout-hovered").startswith(f"block_{places[0]} · ID ")
    page.mouse.move(1, 1)
    assert settle(page, before, LINKED, same=True) == list(LINKED)
    assert page.locator("tr.here").count() == 0


def test_arrow_keys_move_the_same_marker_and_it_stays(page: Any, profile: Any) -> None:
    before = drawn(page, *LINKED)
    page.focus("#figure-rank")
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    told = page.inner_text("#readout-hovered")
    curve = profile.curves["dimension"]
    assert told.startswith(f"block_2 · ID {with_error(curve.values[2], curve.errors[2])} ·")
    assert page.get_attribute("#slider-hovered", "aria-valuetext") == told
    assert settle(page, before, LINKED, same=False) == []
    page.keyboard.press("Escape")
    assert settle(page, before, LINKED, same=True) == list(LINKED)


def test_the_slider_moves_it_too_and_all_numbers_can_be_read(page: Any, profile: Any) -> None:
    page.focus("#slider-hovered")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.locator("details.all summary").first.click()
    numbers = page.locator("#all-hovered div").all_inner_texts()
    assert len(numbers) == len(profile.curves)
    norm = profile.curves["norm"]
    told = with_error(norm.values[1], norm.errors[1])
    assert any("Norm of the vectors" in text and told in text for text in numbers)
    page.locator("details.all summary").first.click()


def test_keys_up_and_down_move_the_profile_through_training(page: Any) -> None:
    charts = ("step_profile_dimension", "dynamics_dimension", "dynamics_mean_dimension")
    before = drawn(page, *charts)
    page.focus("#figure-step_profile_dimension")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#readout-stepped").startswith("step4096 · mean ID 11.0")
    assert settle(page, before, charts, same=False) == []
    page.keyboard.press("ArrowUp")
    assert settle(page, before, charts, same=True) == list(charts)


def test_a_map_points_at_layer_and_step(page: Any) -> None:
    point_at(page, "dynamics_dimension", 0.5)
    page.wait_for_timeout(40)
    assert re.match(r"block_\d", page.inner_text("#readout-hovered"))
    assert page.locator("tr.here").count() > 0
    page.focus("#slider-stepped")
    page.keyboard.press("End")


def test_the_command_is_copied(page: Any) -> None:
    page.get_by_role("button", name="Copy the command").click()
    sync_api.expect(page.locator("[data-copy=command]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "layergeom run 'a b' --k 10"


@pytest.mark.parametrize("width", [320, 380, 700])
def test_a_narrow_window_scrolls_no_page_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.wait_for_timeout(150)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for table in page.locator("details[open] > .scroll").all()[:4]:
        assert table.bounding_box()["width"] <= width


def test_print_cuts_no_figure_and_hides_what_only_a_screen_needs(page: Any) -> None:
    page.set_viewport_size({"width": 690, "height": 1000})  # A4 less the margins, in pixels
    page.emulate_media(media="print")
    for svg in page.locator("[data-chart] svg").all():
        figure = svg.locator("xpath=ancestor::figure").bounding_box()
        picture = svg.bounding_box()
        assert picture["x"] + picture["width"] <= figure["x"] + figure["width"] + 1
    for hidden in (".readers", "nav", "button[data-copy]", "#keys"):
        assert not page.locator(hidden).first.is_visible()
    assert (
        page.evaluate("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 690
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_print_fills_its_pages(browser: Any, file: Any) -> None:
    """Figures of the page's own rows left a third of every sheet white."""
    page = browser.new_page(viewport={"width": 690, "height": 1000})
    page.goto(file.as_uri())
    page.wait_for_selector("[data-chart] svg")
    full = sheets(page)
    page.add_style_tag(
        content=".grid, .definitions { display: grid !important } .chart svg { max-height: none "
        "!important } #provenance .scroll { columns: auto !important }"
    )
    assert full <= 0.85 * sheets(page)
    page.close()


def sheets(page: Any) -> int:
    """Return the pages of A4 that the page is printed on."""
    return len(re.findall(rb"/Type */Page\b", page.pdf(format="A4")))


def test_print_is_light_also_where_the_screen_is_dark(browser: Any, file: Any) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(20, 24, 30)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.close()


def test_landmarks_names_and_the_first_stop_of_the_tab_key(page: Any) -> None:
    for role in ("banner", "main", "navigation"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    for picture in page.locator("[data-chart]").all():
        assert re.search(
            r"goes from|argest|plateau of|share|changes by|turns",
            picture.get_attribute("aria-label"),
        )
    page.evaluate("scrollTo(0, 0)")
    page.reload()
    page.wait_for_selector("body[data-drawn]")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#figure-rank")
    page.keyboard.press("Home")
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(style) == "solid"


def test_warnings_of_one_kind_stand_together(page: Any) -> None:
    box = page.get_by_role("complementary", name="Warnings")
    assert box.get_by_role("heading").inner_text() == "4 warnings, 3 kinds"
    assert "Likewise block_2" in box.inner_text()
    assert not box.get_by_text("block_2: 3% are twins.").is_visible()
    box.locator("summary").click()
    assert box.get_by_text("block_2: 3% are twins.").is_visible()
    box.locator("summary").click()


def test_a_comparison_has_one_marker_of_depth(browser: Any, tmp_path: Any) -> None:
    found = compare({"small": layers(6, 5, 1), "large": layers(12, 7, 2)}, k=10, permutations=20)
    path = tmp_path / "comparison.html"
    path.write_text(comparison_page(found), "utf-8")
    page, told = browser.new_page(viewport={"width": 380, "height": 800}), Told()
    page.on("console", lambda message: told.append(message.text))
    page.on("request", lambda request: told.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-drawn]")
    assert told == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.wait_for_timeout(200)
    charts = ("depth_dimension", "depth_anisotropy", "depth_effective_rank", "overlap_1_2")
    before = drawn(page, *charts)
    page.focus("#figure-depth_dimension")
    page.keyboard.press("Home")
    assert settle(page, before, charts, same=False) == []
    words = page.inner_text("#readout-hovered")
    assert re.fullmatch(r"depth 0\.00 · small embedding, ID .* · large embedding, ID .*", words)
    point_at(page, "depth_anisotropy", 0.97)
    sync_api.expect(page.locator("#readout-hovered")).to_contain_text("depth 1.00")
    page.close()
