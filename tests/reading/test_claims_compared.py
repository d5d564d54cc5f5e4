"""Claims that need several profiles, each with its three verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from courses import DEEP, FALLING, FLAT, RISING, profile_of

from layergeom.profiles import Profile
from layergeom.reading.claims_compared import exclusion_claim, sizes_claim, variants_claim

HOLDS, NOT, OPEN = "holds", "does not hold", "cannot be told"
TALLER = (8, 14, 26, 30, 15, 9, 6.1, 6.1, 6.05, 7.5, 9, 12)
BOTH_GROW = (12, 20, 28, 30, 20, 13, 9, 9.1, 9.05, 11, 14, 18)
BEST_AT_7 = [0.06, 0.1, 0.15, 0.2, 0.4, 0.7, 0.75, 0.9, 0.8, 0.7, 0.6, 0.5]
BEST_AT_2 = [0.06, 0.1, 0.9, 0.2, 0.4, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.5]


def sizes(*courses: tuple[float, ...], error: float = 0.1) -> list[Profile]:
    return [profile_of(course, error) for course in courses]


# ── A2 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("profiles", "verdict"),
    [
        (sizes(DEEP, TALLER), HOLDS),
        (sizes(DEEP, DEEP), NOT),  # the peak surely does not grow by 5 %
        (sizes(TALLER, DEEP), NOT),
        (sizes(DEEP, BOTH_GROW), NOT),  # the plateau grows too
        (sizes(DEEP, TALLER, error=1.5), OPEN),
        (sizes(DEEP, RISING), OPEN),
        (sizes(DEEP), OPEN),
    ],
)
def test_a2(profiles: list[Profile], verdict: str) -> None:
    assert sizes_claim(profiles).verdict == verdict


def test_a2_names_every_size() -> None:
    evidence = sizes_claim(sizes(DEEP, TALLER, TALLER)).evidence
    assert evidence.startswith("peaks 21.00 ± 0.10, 30.00 ± 0.10, 30.00 ± 0.10; plateaus 6.05 ±")


# ── A6 ────────────────────────────────────────────────────────────────────────────────────────


def excluding(labels: list[float], groups: int | None, error: float = 0.002) -> Profile:
    profile = profile_of(DEEP, labels=labels, label_error=error)
    facts = {"classes": 9, "labelled": 1000, "excluded_groups": groups}
    return replace(profile, provenance={**profile.provenance, "labels": facts})


@pytest.mark.parametrize(
    ("labels", "error", "verdict"),
    [(BEST_AT_7, 0.002, HOLDS), (BEST_AT_2, 0.002, NOT), (BEST_AT_2, 0.2, OPEN)],
)
def test_a6(labels: list[float], error: float, verdict: str) -> None:
    found = exclusion_claim(excluding(BEST_AT_7, 40, error), excluding(labels, None, error))
    assert found.verdict == verdict
    assert "with exclusion best 0.900" in found.evidence


def test_a6_needs_one_run_with_and_one_without_exclusion() -> None:
    with_groups, without = excluding(BEST_AT_7, 40), excluding(BEST_AT_7, None)
    assert exclusion_claim(without, with_groups).verdict == HOLDS
    for pair in ((with_groups, with_groups), (without, without), (with_groups, None)):
        assert exclusion_claim(*pair).verdict == OPEN
    assert exclusion_claim(with_groups, profile_of(DEEP)).verdict == OPEN


# ── A8 ────────────────────────────────────────────────────────────────────────────────────────


def varied(dimension: Any, error: float = 0.1, labels: list[float] | None = None) -> Profile:
    return profile_of(dimension, error, labels=labels, label_error=0.002)


ELSEWHERE = (8, 14, 20, 21, 19, 17, 15, 14, 12, 6, 9, 12)  # the minimum is at block_9


@pytest.mark.parametrize(
    ("variants", "verdict"),
    [
        ({"k=10": varied(DEEP), "residual": varied(TALLER)}, HOLDS),
        ({"k=10": varied(DEEP), "last": varied(ELSEWHERE)}, NOT),
        ({"last": varied(FALLING)}, NOT),  # surely no peak
        ({"few rows": varied(DEEP, 8.0), "k=10": varied(DEEP)}, OPEN),
        ({"few rows": varied(FLAT, 5.0)}, OPEN),
        ({}, OPEN),
        (None, OPEN),
    ],
)
def test_a8(variants: dict[str, Profile] | None, verdict: str) -> None:
    assert variants_claim(varied(DEEP), variants).verdict == verdict


def test_a8_names_what_disagrees() -> None:
    found = variants_claim(varied(DEEP), {"k=10": varied(DEEP), "last": varied(ELSEWHERE)})
    assert found.evidence == "k=10: agrees, last: disagrees"


def test_a8_also_asks_the_labels() -> None:
    base = varied(DEEP, labels=BEST_AT_7)
    assert variants_claim(base, {"k=50": varied(DEEP, labels=BEST_AT_7)}).verdict == HOLDS
    assert variants_claim(base, {"k=50": varied(DEEP, labels=BEST_AT_2)}).verdict == NOT
    assert variants_claim(base, {"k=50": varied(DEEP)}).verdict == HOLDS


def test_a8_needs_a_minimum_to_vary() -> None:
    assert variants_claim(varied(RISING), {"k=10": varied(RISING)}).verdict == OPEN
