"""Claims on anisotropy and tokens, each with its three verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from courses import FLAT, NAN, profile_of

from layergeom.profiles import Curve, Profile
from layergeom.reading.claims_razzhigaev import course_claim, measures_claim, tokens_claim

HOLDS, NOT, OPEN = "holds", "does not hold", "cannot be told"
BELL = [0.2, 0.5, 0.9, 0.8, 0.4, 0.1]
LEVEL = [0.2, 0.21, 0.22, 0.2, 0.21, 0.2]
DOWN = [0.9, 0.8, 0.6, 0.4, 0.3, 0.2]
EIGHT = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def anisotropic(course: list[float], causal: bool | None, error: float = 0.002) -> Profile:
    states = {} if causal is None else {"causal": causal}
    return profile_of(FLAT, anisotropy=course, anisotropy_error=error, states=states)


# ── B1 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("course", "causal", "error", "verdict"),
    [
        (BELL, True, 0.002, HOLDS),
        (LEVEL, False, 0.002, HOLDS),
        (BELL, False, 0.002, NOT),
        (LEVEL, True, 0.002, NOT),
        (DOWN, True, 0.002, NOT),
        (BELL, True, 0.3, OPEN),
        (LEVEL, False, 0.1, OPEN),
        (BELL, None, 0.002, OPEN),  # stored states: nobody knows what made them
        ([0.2, NAN, NAN, NAN, NAN, 0.3], True, 0.002, OPEN),
    ],
)
def test_b1(course: list[float], causal: bool | None, error: float, verdict: str) -> None:
    assert course_claim(anisotropic(course, causal, error)).verdict == verdict


def test_b1_says_which_kind_it_judged() -> None:
    found = course_claim(anisotropic(BELL, True))
    assert found.evidence.startswith("decoder: 0.200 ± 0.002 at embedding, 0.900 ± 0.002 at block")


# ── B4 ────────────────────────────────────────────────────────────────────────────────────────


def both_measures(spectral: list[float], cosine: list[float], error: float = 0.001) -> Profile:
    profile = profile_of([10.0] * len(spectral), anisotropy=spectral, anisotropy_error=error)
    values = np.array(cosine)
    mean_cosine = Curve("mean_cosine", values, np.full(len(values), error))
    return replace(profile, curves={**profile.curves, "mean_cosine": mean_cosine})


SHUFFLED = [0.5, 0.1, 0.8, 0.3, 0.2, 0.7, 0.4, 0.6]


@pytest.mark.parametrize(
    ("cosine", "error", "verdict"),
    [
        ((np.array(EIGHT) ** 2).tolist(), 0.001, HOLDS),  # the order counts, not the values
        (EIGHT[::-1], 0.001, NOT),
        (SHUFFLED, 0.001, OPEN),
        (EIGHT, 1.0, OPEN),  # errors undo the order
        (EIGHT, NAN, OPEN),
    ],
)
def test_b4(cosine: list[float], error: float, verdict: str) -> None:
    assert measures_claim(both_measures(EIGHT, cosine, error)).verdict == verdict


def test_b4_is_open_for_a_shallow_network_and_one_measure() -> None:
    assert measures_claim(both_measures(EIGHT[:5], EIGHT[:5])).verdict == OPEN
    assert measures_claim(profile_of([10.0] * 8)).verdict == OPEN


def test_b4_tells_the_correlation_of_the_values() -> None:
    from scipy.stats import spearmanr

    found = measures_claim(both_measures(EIGHT, SHUFFLED))
    expected = spearmanr(EIGHT, SHUFFLED).statistic
    assert found.evidence.startswith(f"rank correlation {expected:.2f}, 95 % interval")


def test_b4_of_a_constant_measure_is_no_agreement() -> None:
    constant = measures_claim(both_measures(EIGHT, [0.3] * 8, 0.0))
    assert constant.verdict == NOT
    assert "rank correlation 0.00" in constant.evidence


# ── B5 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("provenance", "verdict"),
    [
        ({"protocol": {"name": "razzhigaev2024", "departures": {}}}, HOLDS),
        ({"states": {"settings": {"pool": "mean"}}}, NOT),
        ({"states": {"settings": {"pool": "token"}}}, OPEN),
        ({"states": {}}, OPEN),
        (
            {
                "protocol": {"name": "razzhigaev2024", "departures": {"k": {}}},
                "states": {"settings": {"pool": "token"}},
            },
            OPEN,
        ),
        (
            {
                "protocol": {"name": "razzhigaev2024", "departures": {"pool": {}}},
                "states": {"settings": {"pool": "mean"}},
            },
            NOT,
        ),
    ],
)
def test_b5(provenance: dict[str, Any], verdict: str) -> None:
    profile = replace(profile_of(FLAT), provenance=provenance)
    assert tokens_claim(profile).verdict == verdict
