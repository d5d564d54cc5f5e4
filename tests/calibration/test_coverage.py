"""The coverage of the errors: the harness can fail, the page is that of the records, a few sets."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import records
from calibration.coverage import covered, judged, record, repeated
from calibration.coverage_page import BAND, PAGE, RECORDS, page, rows, verdict
from calibration.point_sets import POINT_SETS, PointSet
from layergeom.geometry.recall import wilson

SETS = {one.name: one for one in POINT_SETS}


def normal_estimates(error: float, n: int = 4000) -> np.ndarray:
    """Values of a normal law with mean 2 and deviation 0.5, and one error for all."""
    values = np.random.default_rng(0).normal(2, 0.5, n)
    return np.stack([values, np.full(n, error)], axis=1)


# ── the harness ───────────────────────────────────────────────────────────────────────────────


def test_right_errors_hold_the_mean_and_the_truth() -> None:
    found = judged(normal_estimates(0.5), truth=2.0)
    assert found is not None
    for held in (found["mean_held"], found["truth_held"]):
        assert held / 4000 == pytest.approx(0.95, abs=0.012)
    assert found["error"] / found["sd"] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("factor", "expected"), [(0.5, "short"), (1, "inside"), (2, "wide")])
def test_halved_errors_are_found_short_and_doubled_ones_wide(factor: float, expected: str) -> None:
    found = judged(normal_estimates(0.5 * factor), None)
    assert found is not None
    assert verdict("TwoNN", found["mean_held"] / 4000) == expected


def test_halving_the_errors_of_the_package_is_found() -> None:
    one = SETS["normal, d = 5"]
    spread = repeated(one, 200, 30)
    whole, halved = (
        record(one, 200, {name: pairs * [1, factor] for name, pairs in spread.items()})
        for factor in (1, 0.5)
    )
    held = [each["quantities"]["TwoNN"]["mean_held"] / 30 for each in (whole, halved)]
    assert held[0] > 0.85
    assert held[1] < 0.8


def test_the_truth_is_asked_for_only_where_the_bias_is_small() -> None:
    pairs = normal_estimates(0.5)
    near, far = judged(pairs, 2.05), judged(pairs, 2.2)
    assert near is not None
    assert near["truth_held"] is not None
    assert far is not None
    assert far["truth_held"] is None


def test_unknown_errors_hold_nothing_and_are_counted() -> None:
    pairs = normal_estimates(0.5)
    pairs[:400, 1] = np.nan
    found = judged(pairs, None)
    assert found is not None
    assert found["unknown"] == 400
    assert found["error"] == 0.5
    assert found["mean_held"] == covered(pairs[400:, 0], pairs[400:, 1], found["mean"])


def test_a_constant_has_no_coverage() -> None:
    assert judged(np.stack([np.ones(50) + 1e-12 * np.arange(50), np.zeros(50)], axis=1), 1) is None


def test_repetitions_are_those_of_their_seeds() -> None:
    one = SETS["groups of 5, correlation .5"]
    first, again = repeated(one, 200, 3), repeated(one, 200, 4)
    for name, pairs in first.items():
        assert np.array_equal(pairs, again[name][:3], equal_nan=True), name
    assert len(set(again["TwoNN"][:, 0])) == 4


@pytest.mark.parametrize("one", POINT_SETS, ids=lambda one: one.name)
def test_every_set_draws_what_it_says(one: PointSet) -> None:
    drawn = one.draw(np.random.default_rng(0), 200)
    assert len(drawn.X) == len(drawn.Y) == len(drawn.labels) == 200
    assert len(set(drawn.labels.tolist())) > 1
    repeats = 200 - len(np.unique(drawn.X, axis=0))
    assert repeats == (20 if "repeated" in one.name else 0)
    assert (drawn.X.dtype == np.float16) == ("float16" in one.name)
    assert (drawn.groups is not None) == ("groups" in one.name)


# ── the page ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("held", "of", "low", "high"),
    [  # Newcombe 1998 (Statist. Med. 17, 857), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_bands_are_those_of_the_literature(
    held: int, of: int, low: float, high: float
) -> None:
    assert wilson(held / of, of) == pytest.approx((low, high), abs=5e-5)
    assert wilson((of - held) / of, of) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def told(held: int, quantity: str = "TwoNN") -> str:
    """Page of one set of points with one quantity."""
    found = {
        "mean": 2.0,
        "sd": 0.5,
        "error": 0.25,
        "mean_held": held,
        "unknown": 0,
        "truth": 1.5,
        "truth_held": None,
    }
    case = {"name": "some", "n": 1000}
    one = {"job": "coverage", "case": case, "repetitions": 1000, "seed": 7}
    return page([one | {"quantities": {quantity: found}}])


def test_what_is_outside_is_bold_and_counted() -> None:
    assert "**0 of 1 rows are inside**" in told(800)
    assert "| +0.5 | 0.50 | **80.0 % (77.4 – 82.4)** |" in told(800)
    assert "**1 of 1 rows are inside**" in told(950)
    assert "| 95.0 % (93.5 – 96.2) |" in told(950)


def test_what_may_be_chance_says_so() -> None:
    assert "May be chance" in told(915)
    assert "Cause not known" in told(800)


def test_only_large_ranks_may_hold_more() -> None:
    assert "**0 of 1 rows are inside**" in told(995)
    assert "**1 of 1 rows are inside**" in told(995, "Gride, n1 = 8")


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(records.read([RECORDS]))


def test_the_records_are_of_enough_sets_and_draws() -> None:
    kept = {(r["case"]["name"], r["case"]["n"]): r for r in records.read([RECORDS])}
    draws = {n: [r["repetitions"] for (_, m), r in kept.items() if m == n] for n in (1000, 5000)}
    assert sum(count >= 1000 for count in draws[1000]) >= 12
    assert min(draws[1000]) >= 500
    assert len(draws[5000]) >= 6
    assert min(draws[5000]) >= 300


# ── a part of the table again ─────────────────────────────────────────────────────────────────

REPETITIONS = 400
AGAIN = (
    "flat torus, d = 5",
    "normal, d = 5",
    "ten classes",
    "power law, D = 64",
    "groups of 5, correlation .9",
)
RIGHT = (  # neither too wide nor too short on any of these sets
    "TwoNN",
    "TwoNN, linear .9",
    "TwoNN, censored .9",
    "Gride, n1 = 2",
    "TwoNN, mean of halves",
    "difference of TwoNN",
    "difference of label overlap",
    "linear CKA",
    "mean cosine",
    "norm",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", AGAIN)
def test_coverage(name: str) -> None:
    """A part of the table again: some 20 s for each set."""
    again = record(SETS[name], 1000, repeated(SETS[name], 1000, REPETITIONS))
    held = {row.name: row.held for row in rows(again)}
    outside = {each: held[each] for each in RIGHT if not BAND[0] <= held[each] <= BAND[1]}
    assert outside == {}
    for quantity, found in again["quantities"].items():
        if found["truth_held"] is not None:
            share = found["truth_held"] / REPETITIONS
            assert verdict(quantity, share) == "inside", (quantity, share)
