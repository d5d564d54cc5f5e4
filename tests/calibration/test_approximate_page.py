"""What the page on approximate neighbours says is what was recorded."""

from __future__ import annotations

from pathlib import Path

from benchmarks import records
from calibration.approximate import curved, neighbour_layer
from calibration.approximate_page import RECORDS, newest, tables
from layergeom.geometry import neighbor_graph, neighborhood_overlap
from layergeom.geometry.recall import measured_recall

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "approximate_neighbors.md"


def test_the_page_has_the_tables_of_the_records() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in tables(records.read([RECORDS])).split("\n\n"):
        assert table in page


def test_every_interval_holds_the_recall_and_exact_was_quicker_everywhere() -> None:
    found = [record["found"] for record in newest(records.read([RECORDS]))]
    assert len(found) > 15
    for one in found:
        _, low, high = one["told"]
        assert low <= one["recall"] <= high
        assert 2 < one["seconds"] / one["exact_seconds"] < 12


def test_the_other_layer_keeps_some_neighbours() -> None:
    cloud = curved(600, 12)
    one, other = (neighbor_graph(X, 30) for X in (cloud, neighbour_layer(cloud)))
    assert 0.1 < neighborhood_overlap(one, other, 30).value < 0.95
    assert measured_recall(cloud, one).value == 1.0
