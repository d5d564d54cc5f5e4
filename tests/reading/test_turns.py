"""Turning points: counted beyond error only, and never from noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from courses import DEEP, DIGITS, FALLING, FLAT, HUNCHBACK, RISING, TWO_PEAKS, correlated

from layergeom.reading.turns import (
    DRAWS,
    LEVEL,
    MIN_CHANGE,
    Differences,
    Turn,
    draws,
    minimum_after_peak,
    ties,
    turning_points,
)


def turns_of(course: tuple[float, ...], error: float = 0.1) -> list[tuple[int, str]]:
    values = np.array(course, dtype=float)
    differ = Differences.of(correlated(np.full(len(values), error), 0))
    return [(turn.at, turn.kind) for turn in turning_points(values, differ)]


@pytest.mark.parametrize(
    ("course", "wanted"),
    [
        (RISING, [(0, "min"), (5, "max")]),
        (FALLING, [(0, "max"), (5, "min")]),
        (FLAT, []),
        (HUNCHBACK, [(0, "min"), (3, "max"), (7, "min")]),
        (DIGITS, [(0, "max"), (2, "min"), (5, "max")]),
        (DEEP, [(0, "min"), (3, "max"), (6, "min"), (11, "max")]),
        (TWO_PEAKS, [(0, "min"), (2, "max"), (4, "min"), (6, "max"), (8, "min")]),
        ((5, 5, 5, 9, 9, 9), [(0, "min"), (3, "max")]),
        ((5, 5.01, 9, 8.99, 5), [(0, "min"), (2, "max"), (4, "min")]),
    ],
)
def test_turns_of_plain_courses(course: tuple[float, ...], wanted: list[tuple[int, str]]) -> None:
    assert turns_of(course) == wanted


def test_turns_alternate_and_mirror() -> None:
    rng = np.random.default_rng(0)
    differ = Differences.of(correlated(np.full(12, 0.2), 0.3))
    for _ in range(50):
        values = 100 + rng.normal(0, 12, 12)  # far from 0, so that the mirror keeps 5 % as it is
        forth = turning_points(values, differ)
        kinds = [turn.kind for turn in forth]
        assert all(a != b for a, b in pairwise(kinds))
        assert [t.at for t in forth] == sorted({t.at for t in forth})
        for a, b in pairwise(forth):
            assert differ.counts(values, a.at, b.at)


def test_ripples_below_five_percent_are_no_turn_however_small_the_error() -> None:
    assert turns_of((100, 104.9, 100, 104.9, 100), error=1e-6) == []
    assert len(turns_of((100, 105.6, 100, 105.6, 100), error=1e-6)) == 5
    assert MIN_CHANGE == 0.05


def test_large_errors_hide_every_turn() -> None:
    assert turns_of(DEEP, error=6.0) == []


def test_the_errors_of_differences_come_from_the_covariance() -> None:
    V = np.array([[4.0, 1.9], [1.9, 1.0]])
    assert Differences.of(V).errors[0, 1] == pytest.approx(np.sqrt(4 + 1 - 3.8))
    assert Differences.of(V).errors[0, 0] == 0


def test_a_shared_error_moves_no_difference() -> None:
    alike = Differences.of(correlated(np.full(6, 1.0), 0.99))
    apart = Differences.of(correlated(np.full(6, 1.0), 0.0))
    values = np.array([8.0, 10, 8, 10, 8, 10])
    assert len(turning_points(values, alike)) == 6
    assert turning_points(values, apart) == ()


def test_the_factor_is_that_of_all_differences_at_once() -> None:
    one_pair = Differences.of(np.eye(2)).factor
    many = Differences.of(np.eye(20)).factor
    assert one_pair == pytest.approx(1.96, abs=0.1)
    assert many == pytest.approx(5.01 / np.sqrt(2), abs=0.1)  # studentized range of 20, 95 %
    assert Differences.of(np.zeros((4, 4))).factor == 0


def test_draws_have_the_covariance_and_repeat_with_their_seed() -> None:
    V = correlated(np.array([1.0, 2.0, 0.5]), 0.6)
    values = np.array([5.0, 6.0, 7.0])
    drawn = draws(values, V, 20_000, seed=1)
    np.testing.assert_allclose(drawn.mean(axis=0), values, atol=0.06)
    np.testing.assert_allclose(np.cov(drawn.T), V, atol=0.12)
    np.testing.assert_array_equal(drawn, draws(values, V, 20_000, seed=1))
    assert not np.array_equal(drawn[:5], draws(values, V, 5, seed=2))


def test_singular_covariances_are_drawn_from() -> None:
    ones = np.ones((4, 4))
    drawn = draws(np.zeros(4), ones, 100, seed=0)
    np.testing.assert_allclose(drawn, drawn[:, :1] * np.ones(4), atol=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_flat_truth_rarely_shows_a_difference_and_hardly_ever_a_minimum(correlation: float) -> None:
    V = correlated(np.full(13, 1.0), correlation)
    differ = Differences.of(V)
    profiles = draws(np.full(13, 10.0), V, 200, seed=7)
    found = [turning_points(values, differ) for values in profiles]
    moving = sum(bool(turns) for turns in found)
    minima = sum(minimum_after_peak(turns) is not None for turns in found)
    assert moving <= 20  # 5 % of 200, and 3 binomial errors
    assert minima <= 10
    assert LEVEL == 0.95
    assert DRAWS >= 1000


def test_a_minimum_counts_after_a_rise_and_before_another_only() -> None:
    def place(*kinds: str) -> int | None:
        return minimum_after_peak(tuple(Turn(i, kind) for i, kind in enumerate(kinds)))  # type: ignore[arg-type]

    assert place("min", "max", "min", "max") == 2
    assert place("min", "max", "min", "max", "min", "max") == 2
    assert place("max", "min", "max") is None
    assert place("min", "max", "min") is None
    assert place("max", "min", "max", "min", "max") == 3
    assert place("min", "max") is None
    assert place() is None


def test_ties_reach_as_far_as_the_errors_do() -> None:
    values = np.array(DEEP, dtype=float)
    differ = Differences.of(correlated(np.full(len(values), 0.1), 0))
    turns = turning_points(values, differ)
    assert ties(values, differ, turns, 2) == [6, 7, 8]
    assert ties(values, differ, turns, 1) == [2, 3]
    exact = Differences.of(np.zeros((12, 12)))
    values[7:9] = (9, 6)
    assert ties(values, exact, turning_points(values, exact), 2) == [6]
