"""Claims on the geometry of one profile, each with its three verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from courses import DEEP, FALLING, FLAT, HUNCHBACK, NAN, RISING, profile_of

from layergeom.profiles import Curve, Profile, ScaleCurve
from layergeom.reading.claims_depth import (
    consecutive_overlap_claim,
    ends_claim,
    homogeneity_claim,
    phases_claim,
    scale_claim,
)

HOLDS, NOT, OPEN = "holds", "does not hold", "cannot be told"
LATE = (8, 8.1, 8, 8.2, 9, 12, 16, 20, 14, 10, 15)  # the peak lies at depth 0.7
PAIRS = [0.5, 0.5, 0.4, 0.4, 0.6, 0.8, 0.95, 0.95, 0.9, 0.8, 0.7, NAN]  # of DEEP: peak 3, floor 6-8


def with_curve(profile: Profile, name: str, values: object, error: float = 0.01) -> Profile:
    array = np.array(values, dtype=float)
    errors = np.where(np.isnan(array), NAN, error)
    return replace(profile, curves={**profile.curves, name: Curve(name, array, errors)})


def scale(values: list[float], plateau: tuple[int, int] | None) -> ScaleCurve:
    n = len(values)
    array = np.array(values)
    return ScaleCurve(2 ** np.arange(n), np.arange(n) + 1.0, array, array / 50, plateau, 5.0, 0.1)


# ── A1 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dimension", "error", "verdict"),
    [
        (DEEP, 0.1, HOLDS),
        (DEEP, 8.0, OPEN),  # the values show it, their errors do not
        (RISING, 0.1, NOT),
        (FALLING, 0.1, NOT),
        (HUNCHBACK, 0.1, NOT),  # falls to the end: no interior minimum
        (FLAT, 0.1, NOT),
        (FLAT, 5.0, OPEN),  # errors that would hide a peak refute none
        (LATE, 0.1, NOT),
        ((8, 20), 0.1, OPEN),
    ],
)
def test_a1(dimension: tuple[float, ...], error: float, verdict: str) -> None:
    assert phases_claim(profile_of(dimension, error)).verdict == verdict


def test_a1_tells_its_turning_points_with_errors_and_depth() -> None:
    found = phases_claim(profile_of(DEEP))
    assert "max 21.00 ± 0.10 at block_3 (depth 0.27)" in found.evidence
    assert found.needs == ""
    assert "--max-samples" in phases_claim(profile_of(DEEP, 8.0)).needs


def test_a1_is_open_where_the_peak_may_lie_in_either_half() -> None:
    peaks = (8, 12, 16, 20, 20.1, 20, 20.2, 16, 10, 14, 18)  # tied from depth 0.3 to 0.6
    assert phases_claim(profile_of(peaks)).verdict == OPEN


# ── A3 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pairs", "error", "verdict"),
    [
        (PAIRS, 0.01, HOLDS),
        (PAIRS, 0.2, OPEN),
        ([0.7] * 11 + [NAN], 0.01, NOT),  # surely no higher by 0.05
        ([0.9] * 5 + [0.5] * 6 + [NAN], 0.01, NOT),
        ([NAN] * 12, 0.01, OPEN),
    ],
)
def test_a3(pairs: list[float], error: float, verdict: str) -> None:
    profile = with_curve(profile_of(DEEP), "overlap_next", pairs, error)
    assert consecutive_overlap_claim(profile).verdict == verdict


def test_a3_compares_the_pairs_of_the_peak_with_those_of_the_plateau() -> None:
    found = consecutive_overlap_claim(with_curve(profile_of(DEEP), "overlap_next", PAIRS))
    assert "0.400 ± 0.010 at the peak (block_3)" in found.evidence  # pairs 2-3 and 3-4
    assert "0.950 ± 0.010 on the plateau (block_6)" in found.evidence  # pairs 6-7 and 7-8


def test_a3_takes_the_pairs_of_a_lone_minimum() -> None:
    course = (8, 14, 20, 10, 6, 9, 12)
    pairs = [0.1, 0.2, 0.3, 0.6, 0.8, 0.1, NAN]
    found = consecutive_overlap_claim(with_curve(profile_of(course), "overlap_next", pairs))
    assert "0.250 ± 0.010 at the peak (block_2), 0.700 ± 0.010 on the plateau" in found.evidence


def test_a3_needs_a_minimum() -> None:
    profile = with_curve(profile_of(RISING), "overlap_next", [0.5] * 6)
    assert consecutive_overlap_claim(profile).verdict == OPEN


# ── A9, A10 ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scales", "verdict"),
    [
        ({"embedding": scale([5, 5, 5, 5, 5], (0, 4)), "block_1": scale([5, 5, 5], (0, 2))}, HOLDS),
        ({"embedding": scale([5, 5, 5], (0, 2)), "block_1": scale([9, 7, 5, 3, 1], None)}, NOT),
        ({"embedding": scale([5, 5, 5], (0, 2)), "block_1": scale([9, 7, 5, 3], None)}, OPEN),
        ({}, OPEN),
    ],
)
def test_a9(scales: dict[str, ScaleCurve], verdict: str) -> None:
    assert scale_claim(profile_of(RISING, scales=scales)).verdict == verdict


@pytest.mark.parametrize(
    ("shares", "error", "verdict"),
    [
        ([0.95, 0.96, NAN, 0.97, 0.95, 0.95], 0.01, HOLDS),
        ([0.95, 0.96, NAN, 0.7, 0.95, 0.95], 0.01, NOT),
        ([0.95, 0.96, NAN, 0.92, 0.95, 0.95], 0.01, OPEN),
        ([NAN] * 6, 0.01, OPEN),
    ],
)
def test_a10(shares: list[float], error: float, verdict: str) -> None:
    profile = with_curve(profile_of(RISING), "homogeneity", shares, error)
    assert homogeneity_claim(profile).verdict == verdict


def test_a10_is_open_where_nothing_was_measured() -> None:
    found = homogeneity_claim(profile_of(DEEP))
    assert found.verdict == OPEN
    assert "PAk" in found.needs


# ── A11 ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ends", "error", "verdict"),
    [
        ((10, 11), 0.1, HOLDS),
        ((10, 30), 0.1, NOT),
        ((10, 15), 0.1, OPEN),  # a third of 15 exactly
        ((10, 11), 5.0, OPEN),
        ((NAN, 11), 0.1, HOLDS),  # the first layer that has a dimension is block_1, 12
    ],
)
def test_a11(ends: tuple[float, float], error: float, verdict: str) -> None:
    assert ends_claim(profile_of((ends[0], 12, 20, 12, ends[1]), error)).verdict == verdict


def test_a11_pairs_the_layers() -> None:
    course = (10, 20, 12.9)
    assert ends_claim(profile_of(course, 0.6)).verdict == OPEN
    assert ends_claim(profile_of(course, 0.6, correlation=0.95)).verdict == HOLDS


def test_a11_takes_the_final_layer_for_the_output() -> None:
    assert "at final" in ends_claim(profile_of((10, 20, 12, 11), final=True)).evidence


def test_a11_needs_two_layers() -> None:
    assert ends_claim(profile_of((10, NAN, NAN))).verdict == OPEN
