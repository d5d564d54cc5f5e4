"""Hostile names on every surface: page, script, drawing, spreadsheet, terminal, figure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hostile import NAMES, SCRIPT, hostile_profile
from matplotlib.figure import Figure
from rich.console import Console

from layergeom.profiles import Profile
from layergeom.show import figures
from layergeom.show.cells import visible
from layergeom.show.charts import report_charts
from layergeom.show.depth_figures import along_depth, curve_of
from layergeom.show.figure_files import write_figures
from layergeom.show.figure_style import literal
from layergeom.show.report import report_page
from layergeom.show.table import (
    added_table,
    csv_text,
    profile_rows,
    profile_table,
    reading_lines,
    write_points,
)
from show.conftest import build_dynamics, build_profile, build_reading

SAFE_SCHEMES = ("#", "data:image/")


class Elements(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, _: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.words.append(data)

    def attributes(self) -> Iterator[tuple[str, str]]:
        for _, attrs in self.found:
            yield from ((name, value or "") for name, value in attrs.items())


@pytest.fixture(scope="module")
def hostile() -> Profile:
    return hostile_profile()


@pytest.fixture(scope="module")
def html(hostile: Profile) -> str:
    reading = build_reading(hostile)
    return report_page(hostile, reading, build_dynamics(), f"layergeom run {SCRIPT}")


@pytest.fixture(scope="module")
def page(html: str) -> Elements:
    return Elements(html)


@pytest.fixture(scope="module")
def clean() -> Elements:
    profile = build_profile(hostile=False)
    return Elements(report_page(profile, build_reading(profile), build_dynamics(), "layergeom"))


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def test_S_html_label(page: Elements, clean: Elements) -> None:
    """The names add neither an element nor an attribute, and stand there as they are."""
    assert {tag for tag, _ in page.found} == {tag for tag, _ in clean.found}
    assert {name for name, _ in page.attributes()} == {name for name, _ in clean.attributes()}
    assert sum(tag == "script" for tag, _ in page.found) == 3
    words = "".join(page.words)
    for name in NAMES:
        assert visible(name, 60) in words, name
    assert words.split("·")[0].strip() == SCRIPT  # the title
    assert any(SCRIPT in value for name, value in page.attributes() if name == "aria-label")


def test_S_html_json(html: str) -> None:
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    assert not set("<>&") & set(data)
    content = json.loads(data)
    assert content["readers"]["hovered"]["names"][0].startswith(SCRIPT)
    assert "</script><script>alert(2)" in json.dumps(content)


def test_S_html_offline(page: Elements, html: str) -> None:
    named = ("src", "href", "action", "srcset", "poster", "data", "formaction", "xlink:href")
    addresses = [value for name, value in page.attributes() if name in named]
    assert addresses
    assert [value for value in addresses if not value.startswith(SAFE_SCHEMES)] == []
    [policy] = [a["content"] for t, a in page.found if a.get("http-equiv")]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert set(rules) == {"script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert re.fullmatch(r"('sha256-[A-Za-z0-9+/=]+' ?){2}", rules["script-src"])
    styles = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    assert not re.findall(r"@import|url\((?!['\"]?data:)", "".join(styles))


def test_charts_hold_names_as_data_never_as_expressions(hostile: Profile) -> None:
    """What Vega evaluates holds a name only as a JSON text within the expression."""
    expressions = []
    for chart in report_charts(hostile, build_reading(hostile), build_dynamics()):
        expressions += re.findall(r'"(?:expr|labelExpr|signal|calculate)": ("(?:\\.|[^"])*")',
                                  json.dumps(chart.spec))  # fmt: skip
    held = [json.loads(text) for text in expressions]
    assert held
    for text in held:
        bare = re.sub(r'"(?:\\.|[^"\\])*"', "", text)  # without its quoted texts
        assert "alert" not in bare, text


# ── drawings ──────────────────────────────────────────────────────────────────────────────────


def test_S_svg_label(hostile: Profile, tmp_path: Path) -> None:
    drawings = {
        "map": lambda: figures.overlap_map(hostile),
        "scales": lambda: figures.scales(hostile),
    }
    for path in write_figures(tmp_path, drawings):
        if path.suffix == ".svg":
            found = Elements(path.read_text("utf-8"))
            assert not {tag for tag, _ in found.found} & {"script", "img", "a", "foreignobject"}
            assert not [name for name, _ in found.attributes() if name.startswith("on")]
            assert "<script>" in "".join(found.words)


def shown(figure: Figure) -> list[str]:
    """Return every text of a figure as matplotlib shows it; mathematics fails."""
    from matplotlib.text import Text

    texts = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        words, is_math = text._preprocess_math(text.get_text())
        assert is_math is not True, words
        texts.append(words)
    return texts


def test_S_plot_label(hostile: Profile) -> None:
    figure = figures.overlap_map(hostile)
    figure.draw_without_rendering()
    assert any("$5 and $10" in text for text in shown(figure))
    assert any("_hidden" in text for text in shown(figure))
    figure = Figure()
    axes = figure.add_subplot()
    axes.set_title(literal("$5 and $10"))
    assert "$5 and $10" in shown(figure)


@pytest.mark.parametrize("name", ["$5 and $10", "_hidden"])
def test_S_plot_label_in_a_legend(hostile: Profile, name: str) -> None:
    curves = [curve_of(hostile, "dimension", run) for run in (name, "other")]
    figure = along_depth(curves, "dimension")
    legends = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    [texts] = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    assert [text.replace("\\", "").strip("\u200b") for text in texts] == [name, "other"]
    shown(figure)


# ── the spreadsheet ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\r\n"])
def test_S_csv_formula(start: str, tmp_path: Path) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    rows = [{"layer": name, name: name, "dimension": -0.25, "module": None}]
    text = write_points(tmp_path, "a", rows).read_bytes().decode()
    assert text == csv_text(rows)
    (head, row) = csv.reader(io.StringIO(text, newline=""))
    name = "'" + name.replace("\r\n", "\n").replace("\r", "\n")
    assert head == ["layer", name, "dimension", "module"]
    assert row == [name, name, "-0.25", ""]


def test_S_csv_formula_of_a_whole_profile(hostile: Profile) -> None:
    for row in csv.reader(io.StringIO(csv_text(profile_rows(hostile)), newline="")):
        for cell in row:
            number = cell[:1] == "-" and cell[1:].replace(".", "").replace("e-", "").isdigit()
            assert number or not cell.startswith(("=", "+", "-", "@", "\t")), cell


# ── the terminal ──────────────────────────────────────────────────────────────────────────────

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_S_terminal_escape(hostile: Profile) -> None:
    out = io.StringIO()
    console = Console(file=out, width=200, color_system=None, force_terminal=False)
    reading = build_reading(hostile)
    tables = [profile_table(hostile, reading), added_table(hostile)]
    for table in filter(None, tables):
        console.print(table)
    text = out.getvalue() + "\n".join(reading_lines(reading))
    assert "[31mred" in text
    assert "[link=https://x.example]x[/link]" in text  # no markup, hence no link
    assert not CONTROL.search(text)


@pytest.mark.usefixtures("no_views")
def test_S_terminal_escape_of_a_stored_profile(hostile: Profile, tmp_path: Path, main) -> None:
    hostile.save(tmp_path / "run")
    code, out, err = main("report", tmp_path / "run", "-o", tmp_path / "out")
    assert code == 0, err
    assert "[31mred" in out
    assert not CONTROL.search(out + err)


def test_S_terminal_escape_in_an_error(tmp_path: Path, main) -> None:
    X = np.zeros((4, 3))
    np.savez(tmp_path / "x.npz", **{"\x1b[31mred": X, "other": X[:3]})
    code, out, err = main("run", "--states", tmp_path / "x.npz", "-o", tmp_path / "out")
    assert code == 2
    assert "[31mred" in err
    assert not CONTROL.search(out + err)
