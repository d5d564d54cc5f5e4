"""Answers against the number of rows: parts of one set of states, and the page they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layergeom as lg
from benchmarks import records
from benchmarks.selection.cases import Case
from benchmarks.selection.sizes import measured, needed, parts, sizes, tied
from benchmarks.selection.sizes_numbers import (
    agreement,
    by_case,
    error_factor,
    regret,
    relative_value,
    shape_between_parts,
    shape_with_all,
    spread_factor,
)
from benchmarks.selection.sizes_page import PAGE, RECORDS, factors, page
from layergeom.profiles import Profile
from layergeom.reading.turns import Differences
from layergeom.states.inputs import read_samples
from layergeom.tasks.plan import DIFFERENCE_FACTOR, ERROR_FACTOR
from states.tiny import VOCABULARY


@pytest.fixture(scope="module")
def profile() -> Profile:
    """Layers of dimension 2, 8, 8 and 6; the third turns the second, so that both are equal."""
    rng = np.random.default_rng(0)
    X = {f"block_{d}": rng.uniform(size=(600, d)) @ np.eye(d, 10) for d in (2, 8, 6)}
    turned = X["block_8"] @ np.linalg.qr(rng.standard_normal((10, 10)))[0]
    return lg.profile([X["block_2"], X["block_8"], turned, X["block_6"]], k=5)


def of(size: int, dimension: list[list[float]], layers: list[str] | None = None) -> dict[str, Any]:
    """A record of parts whose dimension is given; the largest one chosen, label overlap beside."""
    names = layers or ["embedding", "block_1", "block_2"]
    return {
        "time": "2026",
        "job": "sizes",
        "case": {"name": "a", "model": "m", "classes": 2, "rows": 400, "layers": names},
        "size": size,
        "parts": [
            {
                "found": False,
                "choices": {"largest ID": names[int(np.argmax(row))]},
                "ties": {"largest ID": [names[1], names[2]]},
                "needed": {"next": 0.1, "any": 0.2},
                "values": {"dimension": row, "label_overlap": [0.25, 0.5, 0.75]},
                "errors": {"dimension": [0.1 * x for x in row], "label_overlap": [0.1, 0.1, 0.1]},
            }
            for row in dimension
        ],
    }


FEW = of(100, [[2.0, 4, 8], [2.0, 6, 4], [6.0, 2, 4]])
ALL = of(400, [[1.0, 2, 4]])
CASE = by_case([FEW, ALL])["a"]


def test_sizes_end_with_all_rows_and_leave_out_those_close_to_it() -> None:
    assert sizes(7600) == [500, 1000, 2000, 5000, 7600]
    assert sizes(5100) == [500, 1000, 2000, 5100]


def test_parts_are_disjoint_and_smaller_ones_lie_in_larger_ones() -> None:
    small, large = parts(2000, 100), parts(2000, 500)
    assert (len(small), len(large)) == (5, 4)
    assert len(np.unique(np.concatenate(small))) == 500
    assert set(np.concatenate(small)) == set(large[0])
    assert all((np.diff(rows) > 0).all() for rows in (*small, *large))
    assert np.array_equal(parts(300, 300)[0], np.arange(300))


def test_equal_layers_are_tied_and_others_are_not(profile: Profile) -> None:
    assert tied(profile, "layer_1") == tied(profile, "layer_2") == ["layer_1", "layer_2"]
    assert tied(profile, "layer_0") == ["layer_0"]


def test_what_is_needed_is_the_share_that_the_errors_ask_for(profile: Profile) -> None:
    V, values = profile.covariance["dimension"], profile.dimension.values
    differ = Differences.of(V)
    shares = {
        (i, j): differ.factor * np.sqrt(V[i, i] + V[j, j] - 2 * V[i, j]) / max(values[i], values[j])
        for i in range(4)
        for j in range(i + 1, 4)
    }
    told = needed(profile)
    assert told["any"] == pytest.approx(np.median(list(shares.values())), abs=1e-9)
    assert told["next"] == pytest.approx(np.median([shares[i, i + 1] for i in range(3)]), abs=1e-9)


def test_numbers_of_three_parts() -> None:
    assert relative_value(CASE, 400) == 1
    assert relative_value(CASE, 100) == pytest.approx((64 * 48 * 48 / 8**3) ** (1 / 9))
    assert error_factor(CASE) == pytest.approx(0.1 * (10 + 20) / 2)
    rows = np.array([part["values"]["dimension"] for part in FEW["parts"]])
    relative = rows.std(axis=0, ddof=1) / rows.mean(axis=0)
    assert spread_factor(CASE) == pytest.approx(10 * np.sqrt((relative**2).mean()))
    assert shape_with_all(CASE, 100, "dimension") == pytest.approx((1 + 0.5 - 0.5) / 3)
    assert shape_between_parts(CASE, 100, "dimension") == pytest.approx((0.5 - 0.5 - 1) / 3)


def test_choices_against_the_best_layer_and_against_each_other() -> None:
    # block_2, block_1 and embedding are chosen where the overlaps are 0.75, 0.5 and 0.25
    assert regret(CASE, 100, "largest ID") == pytest.approx((0 + 25 + 50) / 3)
    assert agreement(CASE, 100, "largest ID", ties=False) == 0
    # block_1 and block_2 are tied, so 4 of the 6 ordered pairs have a tied second choice
    assert agreement(CASE, 100, "largest ID", ties=True) == pytest.approx(4 / 6)
    assert np.isnan(agreement(CASE, 400, "largest ID", ties=False))


def test_the_newest_record_of_a_size_counts() -> None:
    again = of(100, [[3.0, 3, 3]])
    assert by_case([FEW, ALL, again])["a"][100] is again
    more = again | {"size": 900, "case": again["case"] | {"rows": 900}}
    assert list(by_case([FEW, ALL, more])["a"]) == [900]


def test_a_model_is_run_once_and_thinned(training_run: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(4, VOCABULARY, (700, 6))
    samples = read_samples(rows, labels=rng.integers(0, 3, 700))
    found = list(measured(Case("m", training_run / "step100", "d", samples), tmp_path))
    assert [(record["size"], len(record["parts"])) for record in found] == [(500, 1), (700, 1)]
    whole = lg.profile(training_run / "step100", samples)
    told = found[1]["parts"][0]
    assert told["values"]["dimension"] == pytest.approx(whole.dimension.values, rel=1e-3)
    assert told["errors"]["label_overlap"] == pytest.approx(whole.label_overlap.errors, rel=1e-3)
    assert told["choices"]["makers' layer"] == "final"


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(records.read([RECORDS]))


def test_the_factors_of_plan_are_those_of_the_records() -> None:
    measured_ones = factors(by_case(records.read([RECORDS])))
    assert round(measured_ones["error"], 1) == ERROR_FACTOR
    assert round(measured_ones["needed"], 1) == DIFFERENCE_FACTOR
