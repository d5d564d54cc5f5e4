"""The layer rule's calibration: rates, the page, and that the harness can fail."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

import layergeom as lg
from benchmarks import records
from calibration import rule_page
from calibration.rule import draw, judged
from calibration.rule_cells import LEAST_FAVOURABLE, Cell, cells, stack
from calibration.rule_draws import answer
from calibration.rule_figure import figure
from calibration.rule_page import FIGURE, PAGE, RECORDS, headline, page, part_of
from calibration.rule_tally import Tally, tallies
from layergeom.reading import read

CHOICE = Path(PAGE).parents[1] / "explanation" / "layer_choice.md"
DEEP = Cell("power", "dip of 30%", 7, 1000, 0.3)


def record(first: int, found: list[object], time: str = "1") -> records.Record:
    case = {"name": "power, x", "part": "power", "minimum": 4, "layers": 7, "rows": 9, "dip": 0.1}
    return {"time": time, "job": "rule", "case": case, "first": first} | {
        "repetitions": len(found),
        "found": found,
        "moves": 0,
    }


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(records.read([RECORDS]))
    assert FIGURE.is_file()


def test_every_cell_is_on_record() -> None:
    kept = {each.case["name"] for each in tallies(records.read([RECORDS]))}
    assert {cell.name for cell in cells()} <= kept


def test_the_page_on_the_choice_of_layer_says_the_main_numbers() -> None:
    said = headline(tallies(records.read([RECORDS])))
    assert said in " ".join(CHOICE.read_text(encoding="utf-8").split())


def test_the_page_prints_the_thresholds_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    found = records.read([RECORDS])
    assert "and 5 % of the larger value" in page(found)
    monkeypatch.setattr(rule_page, "MIN_CHANGE", 0.07)
    assert "and 7 % of the larger value" in page(found)


def test_the_figure_is_drawn_from_the_records() -> None:
    power = part_of(tallies(records.read([RECORDS])), "power")
    drawn = figure(power)
    assert drawn == figure(power)
    assert b"13 layers" in drawn
    assert drawn != figure([each for each in power if each.case["rows"] != 500])


def test_repetitions_add_up_and_the_newer_count_where_they_were_run_again() -> None:
    [tally] = tallies(
        [
            record(0, [None, None], "1"),
            record(2, [[3, 4, 3, 0.6]], "2"),
            record(0, [None], "3"),
        ]
    )
    assert tally.repetitions == 2
    assert tally.found == [[3, 4, 3, 0.6]]


def test_actual_repeatability_is_the_share_of_the_other_stacks() -> None:
    found = [[2, 4, 3, 0.9], [4, 5, 5, 1.0], [3, 3, 3, 0.8], None, None]
    tally = Tally(record(0, found)["case"], (record(0, found),))
    reported, actual = tally.repeatabilities.T
    np.testing.assert_array_equal(reported, [0.9, 1.0, 0.8])
    np.testing.assert_allclose(actual, [1 / 4, 0, 1 / 4])  # the minima are 3, 5 and 3
    assert (tally.holding, tally.exact) == (2, 1)


def test_a_draw_repeats_with_its_number_only() -> None:
    cell = Cell("null", "flat", 3, 100)
    first, again, other = draw(cell, 0), draw(cell, 0), draw(cell, 1)
    np.testing.assert_array_equal(first.profile.dimension.values, again.profile.dimension.values)
    assert (first.profile.dimension.values != other.profile.dimension.values).any()


@pytest.mark.parametrize("cell", [DEEP, Cell("null", "hunchback", 7, 300)])
def test_a_whole_profile_gives_the_same_answer(cell: Cell) -> None:
    told = draw(cell, 0)
    rng = np.random.default_rng([zlib.crc32(cell.name.encode()), 0])
    layers = dict(zip(told.profile.layers, stack(cell).layers(rng), strict=True))
    whole = lg.profile(layers, k=5)
    np.testing.assert_allclose(told.profile.dimension.values, whole.dimension.values)
    np.testing.assert_allclose(
        told.profile.covariance["dimension"], whole.covariance["dimension"], rtol=1e-9
    )
    assert answer(whole).ties == told.ties
    same = answer(whole).repeatability  # eigenvectors may change their signs, and so the draws
    assert same == pytest.approx(told.repeatability, abs=0.05, nan_ok=True)
    assert (told.ties is not None) == (cell is DEEP)
    assert read(whole).recommendation.found == (cell is DEEP)


def test_errors_five_times_too_small_are_noticed() -> None:
    cell = Cell("null", "peak, then plateau", 25, 300)
    honest = [draw(cell, i).ties is not None for i in range(6)]
    too_sure = [draw(cell, i, shrink=5).ties is not None for i in range(6)]
    assert sum(honest) <= 1
    assert sum(too_sure) >= 4


def test_a_record_says_what_was_drawn(tmp_path: Path) -> None:
    said = judged(DEEP, 0, 2)
    assert said["repetitions"] == len(said["found"]) == 2
    assert len(said["values"]) == 7
    records.append(tmp_path / "rule.jsonl", said)
    [tally] = tallies(records.read([tmp_path / "rule.jsonl"]))
    assert tally.repetitions == 2
    assert 0.2 < tally.honesty < 5


@pytest.mark.slow
@pytest.mark.parametrize("layers", [13, 25])
@pytest.mark.parametrize("shape", ["flat", *LEAST_FAVOURABLE])
def test_at_most_five_percent_of_stacks_without_a_minimum_show_one(shape: str, layers: int) -> None:
    cell = Cell("null", shape, layers, 500)
    found = sum(draw(cell, 10_000 + i).ties is not None for i in range(100))
    assert binomtest(found, 100, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("layers", [13, 25])
def test_a_deep_dip_is_seen_at_2000_rows(layers: int) -> None:
    cell = Cell("power", "dip of 30%", layers, 2000, 0.3)
    assert np.mean([draw(cell, 10_000 + i).ties is not None for i in range(30)]) > 0.8
