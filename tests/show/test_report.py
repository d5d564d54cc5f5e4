import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from layergeom.show.page import script_json
from layergeom.show.report import report_page, write_report
from layergeom.show.training_answer import training_sentences


class Page(HTMLParser):
    """Collects elements, the text of scripts, and the visible text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.words, self.stack = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.stack.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.scripts[-1][1] += data
        elif not (self.stack and self.stack[-1] == "style"):
            self.words.append(data)


@pytest.fixture(scope="module")
def html(profile, reading, dynamics):
    return report_page(profile, reading, dynamics, "layergeom run x --name '<b>'")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_no_script_but_ours(page):
    kinds = [attrs.get("type") for attrs, _ in page.scripts]
    assert kinds == ["application/json", None, None]
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)


def test_hostile_names_are_text(html, page):
    assert "<script>alert(1)" not in html
    assert "<script>alert(1)</script>" in "".join(page.words)
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_policy_admits_exactly_the_inline_scripts(page):
    policy = next(
        a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for attrs, text in page.scripts
        if "type" not in attrs
    ]
    assert allowed == digests


def test_nothing_outside_is_named(html, page):
    addresses = set(re.findall(r"https?://([^/\s\"'`]+)", html))
    assert addresses <= {"www.w3.org"}
    links = [a[k] for _, a in page.elements for k in ("href", "src", "action") if k in a]
    assert all(link.startswith("#") for link in links)
    targets = {a["id"] for _, a in page.elements if "id" in a}
    assert {link[1:] for link in links} <= targets


def test_expressions_are_interpreted(page):
    assert "ast: true" in page.scripts[2][1]


def test_size(html):
    assert 0.5e6 < len(html.encode()) < 2e6


def test_data_cannot_end_its_script(page):
    data = page.scripts[0][1]
    assert "<" not in data
    assert set(json.loads(data)) == {"charts", "readers"}
    assert json.loads(script_json({"a": "</script>&"})) == {"a": "</script>&"}


def test_every_chart_has_a_place_with_words_for_screen_readers(page):
    charts = json.loads(page.scripts[0][1])["charts"]
    places = {a["data-chart"]: a for _, a in page.elements if "data-chart" in a}
    assert set(places) == set(charts)
    assert all(a["role"] == "img" and a["aria-label"] for a in places.values())


def test_accessible_structure(page):
    assert ("html", {"lang": "en"}) in page.elements
    assert all("scope" in attrs for tag, attrs in page.elements if tag == "th")
    tables = sum(tag == "table" for tag, _ in page.elements)
    assert tables == sum(tag == "caption" for tag, _ in page.elements)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_answer_and_its_three_questions(page):
    words = "".join(page.words)
    for text in ("Use block_7", "Found", "Repeatability", "97 %", "Useful", "When it misleads"):
        assert text in words
    assert words.index("Use block_7") < words.index("Figures")


def test_a_training_comes_before_its_last_checkpoint(page, dynamics):
    words = "".join(page.words).replace("\u00a0", " ")
    told = (
        *training_sentences(dynamics),
        "5: step0, step16",
        "2 warnings",
        "The last checkpoint, ",
    )
    places = [words.index(text) for text in (*told, "Use block_7")]
    assert places == sorted(places)
    assert "over a training" in words


def test_a_training_tells_the_warnings_of_all_checkpoints(dynamics, reading):
    first = replace(dynamics.profiles[0], warnings=("block_1: a hole.",))
    told = replace(dynamics, profiles=(first, *dynamics.profiles[1:]), warnings=("No network.",))
    words = "".join(Page(report_page(dynamics.profiles[-1], reading, told)).words)
    assert "No network." in words
    assert "step0: block_1: a hole." in words


def test_of_one_profile_nothing_is_said_of_a_training(profile, reading):
    words = "".join(Page(report_page(profile, reading)).words)
    assert "Use block_7" in words
    for text in ("training", "The last checkpoint", "of the last checkpoint"):
        assert text not in words[: words.index("What each quantity is")]


@pytest.mark.parametrize(
    ("model", "title"),
    [("/runs/gpt/step9", "runs/gpt"), ("owner/model", "owner/model"), ("gpt/step9", "gpt")],
)
def test_a_training_is_named_without_its_checkpoint(dynamics, reading, model, title):
    last = replace(dynamics.profiles[-1], provenance={"states": {"model": model}})
    of_last = replace(dynamics, checkpoints=(*dynamics.checkpoints[:-1], "step9"))
    assert f"<h1>{title}</h1>" in report_page(last, reading, of_last)


def test_tables_hold_all_that_is_drawn(page, profile):
    words = "".join(page.words)
    for title in ("Overlap between every two layers", "Dimension at each scale", "in training"):
        assert title in words
    assert "nan" not in re.findall(r"\w+", words)
    assert "layergeom run x --name '<b>'" in words


def test_file_is_replaced_whole(profile, reading, html, tmp_path):
    path = tmp_path / "new" / "report.html"
    assert write_report(path, profile, reading) == path
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert "in training" not in "".join(Page(path.read_text("utf-8")).words)
