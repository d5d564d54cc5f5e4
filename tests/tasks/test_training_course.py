"""What changed over a training: moves of the mean, standing still, the layer that stays."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from layergeom.profiles import Curve, Profile
from layergeom.reading.turns import Differences
from layergeom.tasks.training_course import TrainingCourse, still_from, training_course
from reading.courses import DEEP, FLAT, HUNCHBACK, TWO_PEAKS, profile_of

APART = (8, 14, 20, 15, 9, 6, 9, 12, 14, 15, 16, 17)  # its minimum at block_5, as deep as DEEP
NARROW = (*DEEP[:6], 6, 6.6, 7.2, 8, 9, 12)  # block_6 alone


def course(values: list[float], error: float = 0.1, *profiles: Profile) -> TrainingCourse:
    means = Curve("mean_dimension", np.array(values), np.full(len(values), error))
    return training_course(profiles or [profile_of(FLAT)] * len(values), means)


def of_layers(*courses: tuple[float, ...]) -> TrainingCourse:
    return course([9.0] * len(courses), 0.1, *(profile_of(c) for c in courses))


@pytest.mark.parametrize(
    ("values", "moves"),
    [
        ([5, 9, 6], ("expansion", "compression")),
        ([9, 5, 6], ("compression", "expansion")),
        ([5, 7, 9], ("expansion",)),
        ([9, 7, 5], ("compression",)),
        ([9, 9.3, 9.1], ()),  # beyond its error, and below 5 %
        ([5, 9, 6, 8, 4], ("expansion", "compression", "expansion", "compression")),
    ],
)
def test_moves_are_those_of_the_turning_points(values: list[float], moves: tuple[str, ...]) -> None:
    assert course(values).moves == moves


def test_what_the_errors_hide_is_no_move() -> None:
    hidden = course([5, 9, 6], 3.0)
    assert (hidden.turns, hidden.moves, hidden.still_from) == ((), (), 0)


def test_unknown_errors_say_nothing_of_the_mean() -> None:
    unknown = course([5, 9, 6], float("nan"))
    assert (unknown.turns, unknown.moves, unknown.still_from) == (None, (), None)


def test_shared_rows_show_what_independent_errors_hide() -> None:
    means = Curve("mean_dimension", np.array([9.0, 8, 7]), np.full(3, 1.0))
    profiles = [profile_of(FLAT)] * 3
    shared = np.full((3, 3), 0.99) + 0.01 * np.eye(3)
    assert training_course(profiles, means).moves == ()
    assert training_course(profiles, means, shared).moves == ("compression",)


@pytest.mark.parametrize("seed", range(40))
def test_standing_still_is_that_no_later_two_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = 9 + np.cumsum(rng.normal(0, 0.6, 6) * [3, 2, 1, 0.5, 0.4, 0.4])
    spread = rng.uniform(0.05, 0.4, (6, 6))
    differ = Differences((spread + spread.T) / 2, 2.5)
    still = [
        start
        for start in range(5)
        if not any(differ.counts(values, i, j) for i, j in combinations(range(start, 6), 2))
    ]
    assert still_from(values, differ) == min(still, default=None)


def test_a_slow_drift_is_no_standing_still() -> None:
    differ = Differences(np.full((5, 5), 0.1), 3.0)
    drift = np.array([9.0, 8.7, 8.4, 8.1, 7.8])  # no two neighbours differ, the ends do
    assert still_from(drift, differ) == 3


def test_the_layer_that_stays() -> None:
    found = of_layers(FLAT, APART, DEEP, NARROW)
    assert found.layers == (None, "block_5", "block_6", "block_6")
    assert found.layer_from == 2


def test_a_layer_that_is_tied_stays() -> None:
    later = (*DEEP[:6], 6.6, 6.05, 6.0, 7.5, 9, 12)  # block_6 is left out of the ties
    found = of_layers(FLAT, DEEP, later)
    assert found.layers == (None, "block_6", "block_7")
    assert found.layer_from == 1


def test_a_layer_that_comes_back_counts_from_its_return() -> None:
    assert of_layers(DEEP, APART, DEEP).layer_from == 2
    assert of_layers(DEEP, FLAT, DEEP).layer_from == 2
    assert of_layers(DEEP, DEEP, NARROW).layer_from == 0


def test_no_layer_at_the_last_checkpoint() -> None:
    found = of_layers(DEEP, FLAT)
    assert (found.layers, found.layer_from) == (("block_6", None), None)
    without = of_layers(HUNCHBACK, HUNCHBACK)
    assert (without.layers, without.layer_from) == ((None, None), None)


def test_fewer_than_three_layers_have_none_to_use() -> None:
    assert of_layers((9.0, 8.0), (9.0, 8.0)).layers == (None, None)
    assert of_layers(TWO_PEAKS, TWO_PEAKS).layers == ("block_4", "block_4")
