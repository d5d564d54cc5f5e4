"""What a comparison leaves: figures, tables, and a page that asks for nothing from outside."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layergeom.reading.heights import Height
from layergeom.show import figure_files
from layergeom.show.comparison import (
    comparison_page,
    depth_profiles,
    heights_by_size,
    similarity_map,
    write_comparison,
)
from layergeom.show.comparison_charts import comparison_charts
from layergeom.show.comparison_tables import (
    comparison_facts,
    comparison_lines,
    comparison_tables,
    models_table,
    profiles_csv,
    similarities_csv,
)
from layergeom.show.published import PublishedCurve, published_curve
from layergeom.tasks.compare import Comparison, compare
from show.humps import layers

HOSTILE = "<script>alert(1)</script>$5$\x1b"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    runs = {"small": layers(6, 5, 1), HOSTILE: layers(12, 7, 2)}
    return compare(runs, k=10, permutations=20)


@pytest.fixture(scope="module")
def published() -> list[PublishedCurve]:
    source = "A. Author 2023, <b>fig. 1</b>"
    return [published_curve([4, 9, 3], [0, 0.3, 1], quantity="dimension", source=source)]


@pytest.fixture(scope="module")
def html(comparison: Comparison, published: list[PublishedCurve]) -> str:
    return comparison_page(comparison, published, "layergeom compare '<i>'")


def test_policy_admits_exactly_the_inline_scripts(html: str) -> None:
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert len(scripts) == 2
    assert re.findall(r"'sha256-([^']+)'", policy) == digests


def test_nothing_outside_is_named(html: str) -> None:
    assert set(re.findall(r"https?://([^/\s\"'`]+)", html)) <= {"www.w3.org"}
    places = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    links = re.findall(r'(?:href|src|action)="([^"]*)"', places)
    assert links
    assert {link[1:] for link in links} <= set(re.findall(r'id="([^"]+)"', places))


def test_hostile_names_are_text(html: str) -> None:
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<b>fig. 1</b>" not in html
    assert "layergeom compare &#39;&lt;i&gt;&#39;" in html
    assert "\x1b" not in html


def test_every_chart_has_its_place(html: str, comparison: Comparison) -> None:
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    charts = json.loads(data)["charts"]
    assert set(re.findall(r'data-chart="([^"]+)"', html)) == set(charts)
    assert {"depth_dimension", "overlap_1_2", "cka_1_2", "heights_by_size"} <= set(charts)
    assert "<" not in data  # or it could end its script


def test_page_holds_answer_warnings_and_tables(html: str, comparison: Comparison) -> None:
    assert comparison.claim.statement in html
    for text in comparison.warnings:
        assert text.split(HOSTILE)[0] in html
    for table in comparison_tables(comparison):
        assert all(len(row) == len(table.head) for row in table.rows)
    assert "CKA, debiased between small" in html
    assert "nan" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL).split()


def cells(spec: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a map, wherever they lie in its specification."""
    if isinstance(spec, dict) and {"position", "other", "value"} <= set(spec):
        yield spec
    elif isinstance(spec, (dict, list)):
        for part in spec.values() if isinstance(spec, dict) else spec:
            yield from cells(part)


def test_charts_draw_the_numbers(comparison: Comparison, published: list[PublishedCurve]) -> None:
    charts = {chart.key: chart for chart in comparison_charts(comparison, published)}
    series = json.dumps(charts["depth_dimension"].spec, ensure_ascii=False)
    assert "A. Author 2023" in series
    rows = list(cells(charts["cka_1_2"].spec))
    assert len(rows) == 6 * 8
    found = comparison.ckas[0].values
    for row in rows:
        assert row["value"] == pytest.approx(found[row["other"], row["across"]], rel=1e-5)


def test_figures_draw_the_numbers(comparison: Comparison, published: list[PublishedCurve]) -> None:
    [axes] = depth_profiles(comparison, "dimension", published).axes
    lines = axes.get_lines()
    assert len(lines) == 3
    for line, profile in zip(lines, comparison.profiles, strict=False):
        np.testing.assert_array_equal(line.get_ydata(), profile.dimension.values)
    assert lines[1].get_label() == r"<script>alert(1)</script>\$5\$"
    image = similarity_map(comparison, comparison.overlaps[0]).axes[0].get_images()[0]
    np.testing.assert_array_equal(np.asarray(image.get_array()), comparison.overlaps[0].values)
    [axes] = heights_by_size(comparison).axes
    peaks = axes.containers[0].lines[0].get_ydata()
    np.testing.assert_array_equal(peaks, [height.value for height in comparison.peaks])


def test_models_table_and_lines(comparison: Comparison) -> None:
    table = models_table(comparison)
    assert table.title == "Models (size: width)"
    assert table.rows[0][:3] == ("small", "6", "6")
    assert [row[4] for row in table.rows] == [height.layer for height in comparison.peaks]
    lines = comparison_lines(comparison)
    assert lines[0].startswith("By their shared neighbours (χ), small and <script>")
    assert lines[-1].startswith("A2 ")  # of two widths, and with a peak each
    assert [line.split(":")[0] for line in lines[-3:-1]] == ["peak", "plateau"]
    assert not any("\x1b" in line for line in lines)


def test_csv_has_a_row_per_layer_and_per_pair(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(profiles_csv(comparison))))
    assert len(rows) == 6 + 8
    assert float(rows[2]["dimension"]) == comparison.profiles[0].dimension.values[2]
    pairs = list(csv.DictReader(io.StringIO(similarities_csv(comparison))))
    assert len(pairs) == 2 * 6 * 8
    first = next(row for row in pairs if row["quantity"] == "cka")
    assert float(first["value"]) == comparison.ckas[0].values[0, 0]
    assert (first["layer"], first["other_layer"], first["rows"]) == ("embedding",) * 2 + ("150",)


def test_json_holds_everything(comparison: Comparison) -> None:
    facts = json.loads(json.dumps(comparison_facts(comparison), allow_nan=False))
    fields = {"runs", "profiles", "overlaps", "ckas", "peaks", "trends", "claim", "warnings"}
    assert fields <= set(facts)
    assert facts["schema"] == 1
    np.testing.assert_array_equal(facts["ckas"][0]["values"], comparison.ckas[0].values)
    assert facts["overlaps"][0]["level"]["permutations"] == 20


def test_folder_holds_page_tables_and_figures(
    comparison: Comparison,
    published: list[PublishedCurve],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(figure_files, "_FORMATS", {"svg": {"Date": None}})  # all: ten seconds
    written = write_comparison(tmp_path / "new", comparison, published)
    assert [path.name for path in written] == [
        "comparison.html", "comparison.json", "profiles.csv", "similarities.csv", "figures",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in written
    )
    figures = {path.name for path in written[-1].iterdir()}
    for name in ("depth_dimension", "overlap_1_2", "cka_1_2", "heights_by_size"):
        assert f"{name}.svg" in figures


def test_without_sizes_peaks_and_ckas_there_is_still_an_answer(tmp_path: Path) -> None:
    import layergeom as lg

    flat = np.random.default_rng(1).standard_normal((60, 3))
    for name in "ab":
        lg.profile({"embedding": flat, "block_1": flat}, k=5, folder=tmp_path / name)
    bare = compare([tmp_path / "a", tmp_path / "b"], k=5, permutations=0)
    keys = {chart.key for chart in comparison_charts(bare)}
    assert "overlap_1_2" in keys
    assert not {"heights_by_size", "cka_1_2"} & keys
    assert [line.split(",")[0] for line in comparison_lines(bare)] == [
        "By their shared neighbours (χ)"
    ]


def test_the_claim_on_sizes_is_not_told_of_models_of_one_size(comparison: Comparison) -> None:
    one_size = replace(comparison, sizes=np.array([6.0, 6.0]))
    assert not any("size" in line or line.startswith("A2") for line in comparison_lines(one_size))
    none = Height("", np.nan, np.nan, np.nan, "no peak of the dimension was found beyond error")
    [told] = [
        line for line in comparison_lines(replace(comparison, peaks=(none, none))) if "size" in line
    ]
    assert told.startswith("Size: no peak of the dimension was found beyond error in any model")


def test_where_nothing_could_be_compared_the_page_says_so(comparison: Comparison) -> None:
    bare = replace(comparison, overlaps=(), ckas=(), sizes=np.array([6.0, 6.0]))
    assert comparison_lines(bare) == [
        "No layer of one model could be compared with a layer of another."
    ]
    assert "could be compared" in comparison_page(bare)
