"""Claims about training, each with its three verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from courses import DEEP, FALLING, FLAT, HUNCHBACK, NAN, RISING, profile_of

from layergeom.profiles import Profile
from layergeom.reading.claims_training import (
    anisotropy_growth_claim,
    layer_means,
    mean_dimension_claim,
    peak_first_claim,
)

HOLDS, NOT, OPEN = "holds", "does not hold", "cannot be told"
UNTRAINED = (10, 10.1, 9.9, 10, 10, 10.1, 10, 10, 10, 10, 10, 10)
PEAK_ONLY = (8, 14, 20, 21, 18, 16, 15, 14, 13, 12, 11, 10)


def run(*courses: tuple[float, ...], error: float = 0.1, first: float = 0.0) -> list:
    steps = [first, *(10.0**i for i in range(1, len(courses)))]
    return [(step, profile_of(c, error)) for step, c in zip(steps, courses, strict=True)]


# ── A7 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("training", "verdict"),
    [
        (run(UNTRAINED, PEAK_ONLY, DEEP), HOLDS),
        (run(PEAK_ONLY, PEAK_ONLY, DEEP), NOT),  # untrained, it is not flat
        (run(UNTRAINED, UNTRAINED, UNTRAINED), NOT),  # trained, it has no peak
        (run(UNTRAINED, PEAK_ONLY, PEAK_ONLY), NOT),  # no compression
        (run(UNTRAINED, UNTRAINED, DEEP), OPEN),  # peak and minimum between two checkpoints
        (run(UNTRAINED, PEAK_ONLY, DEEP, error=5.0), OPEN),
        (run(UNTRAINED, PEAK_ONLY, DEEP, first=5.0), OPEN),  # nothing untrained
        (run(UNTRAINED, DEEP), OPEN),
        (None, OPEN),
    ],
)
def test_a7(training: list | None, verdict: str) -> None:
    assert peak_first_claim(training).verdict == verdict


def test_a7_tells_when_peak_and_minimum_are_first_seen() -> None:
    evidence = peak_first_claim(run(UNTRAINED, PEAK_ONLY, DEEP)).evidence
    assert evidence.endswith("peak first at step 10; minimum after it first at step 100")
    assert peak_first_claim(run(UNTRAINED, PEAK_ONLY, DEEP, first=5.0)).needs == "step 0"


def test_a7_with_checkpoints_without_dimensions() -> None:
    nothing = (NAN,) * 12
    assert peak_first_claim(run(nothing, nothing, nothing)).verdict == OPEN


# ── B2 ────────────────────────────────────────────────────────────────────────────────────────


def stretched(*levels: float, error: float = 0.01) -> list[tuple[float, Profile]]:
    courses = [np.array(FLAT) / 10 * level for level in levels]
    return [
        (float(i), profile_of(FLAT, anisotropy=c.tolist(), anisotropy_error=error))
        for i, c in enumerate(courses)
    ]


@pytest.mark.parametrize(
    ("training", "verdict"),
    [
        (stretched(0.1, 0.3, 0.6), HOLDS),
        (stretched(0.6, 0.3), NOT),
        (stretched(0.6, 0.6, error=0.001), NOT),
        (stretched(0.1, 0.6, error=0.3), OPEN),
        (stretched(0.1, 0.6, error=NAN), OPEN),
        (stretched(0.1), OPEN),
        (None, OPEN),
    ],
)
def test_b2(training: list | None, verdict: str) -> None:
    assert anisotropy_growth_claim(training).verdict == verdict


def test_b2_takes_layers_that_are_always_there() -> None:
    first = profile_of(FLAT, anisotropy=[0.1, NAN, 0.1, 0.1, 0.1, 0.1])
    last = profile_of(FLAT, anisotropy=[0.3, 9.0, 0.3, 0.3, 0.3, 0.3])
    assert "0.300 ± 0.010" in anisotropy_growth_claim([(0, first), (9, last)]).evidence
    gone = profile_of(FLAT, anisotropy=[NAN] * 6)
    assert anisotropy_growth_claim([(0, gone), (9, last)]).verdict == OPEN


# ── B3 ────────────────────────────────────────────────────────────────────────────────────────


def levels(*means: float, error: float = 0.1) -> list[tuple[float, Profile]]:
    return [(float(i), profile_of((m, m, m, m), error)) for i, m in enumerate(means)]


@pytest.mark.parametrize(
    ("training", "verdict"),
    [
        (levels(5, 9, 12, 8, 6), HOLDS),
        (levels(5, 9, 12), NOT),
        (levels(12, 9, 5), NOT),
        (levels(9, 9, 9), NOT),
        (levels(5, 9, 12, 8, 6, error=6), OPEN),  # the values show it, their errors do not
        (levels(9, 9, 9, error=6), OPEN),
        (levels(5, 9), OPEN),
        (None, OPEN),
    ],
)
def test_b3(training: list | None, verdict: str) -> None:
    assert mean_dimension_claim(training).verdict == verdict


def test_b3_names_the_turning_point() -> None:
    evidence = mean_dimension_claim(levels(5, 9, 12, 8, 6)).evidence
    assert "max 12.00 ± 0.05 at step 2" in evidence  # four independent layers halve the error


def test_layer_means_are_of_the_layers_in_all_profiles() -> None:
    means = layer_means([profile_of((4, NAN, 8)), profile_of((6, 9, 10))])
    assert means is not None
    assert means.values.tolist() == [6, 8]
    assert means.errors == pytest.approx([0.1 / np.sqrt(2)] * 2)
    shared = layer_means([profile_of((4, 8), correlation=1.0)])
    assert shared is not None
    assert shared.errors == pytest.approx([0.1])
    assert layer_means([profile_of((NAN, NAN)), profile_of((6, 9))]) is None


def test_courses_of_one_network_are_told_apart() -> None:
    shapes = [peak_first_claim(run(UNTRAINED, c, DEEP)).verdict for c in (RISING, FALLING)]
    assert shapes == [OPEN, OPEN]  # the peak is first seen where the minimum is
    assert peak_first_claim(run(UNTRAINED, HUNCHBACK, DEEP)).verdict == HOLDS
