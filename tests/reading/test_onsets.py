"""Peaks of repeated curves, and the depth at which their rise is half done."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.reading.onsets import peak_of, peaked
from layergeom.reading.repeated import RepeatedCurve

DEPTHS = np.linspace(0, 1, 9)
HILL = np.array([5.0, 5.1, 5, 7, 11, 14, 12, 8, 6])


def repeated(course: np.ndarray, noise: float = 0.05, repeats: int = 5) -> RepeatedCurve:
    rng = np.random.default_rng(3)
    return RepeatedCurve(course + noise * rng.standard_normal((repeats, len(course))))


def test_a_hill_has_its_peak_and_its_onset() -> None:
    curve = repeated(HILL)
    peak = peak_of(curve, DEPTHS)
    assert peak is not None
    assert (peak.at, peak.start, peak.rising) == (5, 2, 5)
    assert peak.value == pytest.approx(14, abs=0.1)
    halves = [(row[2] + row[5]) / 2 for row in curve.values]
    expected = [
        np.interp(h, row[2:6], DEPTHS[2:6]) for h, row in zip(halves, curve.values, strict=True)
    ]
    assert peak.onset == pytest.approx(np.mean(expected))
    assert peak.onset_error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(5))
    assert peaked(curve) is True


def test_the_highest_of_two_hills_is_taken() -> None:
    peak = peak_of(repeated(np.array([5.0, 9, 5, 7, 11, 14, 12, 8, 6])), DEPTHS)
    assert peak is not None
    assert (peak.at, peak.start) == (5, 2)


@pytest.mark.parametrize(
    "course",
    [HILL.cumsum(), HILL.cumsum()[::-1], np.full(9, 5.0)],
    ids=["rises", "falls", "flat"],
)
def test_a_course_without_an_interior_maximum_surely_has_no_peak(course: np.ndarray) -> None:
    assert peak_of(repeated(course), DEPTHS) is None
    assert peaked(repeated(course)) is False


def test_noise_is_no_peak_and_no_proof_of_none() -> None:
    noisy = repeated(HILL, noise=20)
    assert peak_of(noisy, DEPTHS) is None
    assert peaked(noisy) is None


def test_a_ripple_below_five_percent_is_no_peak() -> None:
    ripple = np.array([10.0, 10.3, 10, 10.4, 10, 10, 10, 10, 10])
    assert peak_of(repeated(ripple, noise=0.001), DEPTHS) is None


def test_layers_without_a_dimension_are_left_out() -> None:
    values = repeated(HILL).values
    values[1, 0] = np.nan
    peak = peak_of(RepeatedCurve(values), DEPTHS)
    assert peak is not None
    assert peak.at == 5


def test_one_repeat_has_no_peak() -> None:
    assert peak_of(RepeatedCurve(HILL[None]), DEPTHS) is None
    assert peaked(RepeatedCurve(HILL[None])) is None


def test_the_onset_is_unbiased_over_many_draws() -> None:
    rng = np.random.default_rng(0)
    pulls = []
    for _ in range(200):
        curve = RepeatedCurve(HILL + 0.1 * rng.standard_normal((20, 9)))
        peak = peak_of(curve, DEPTHS)
        assert peak is not None
        if peak.start == 2:
            pulls.append((peak.onset - np.interp(9.5, HILL[2:6], DEPTHS[2:6])) / peak.onset_error)
    assert abs(np.mean(pulls)) < 0.5
    assert np.std(pulls) == pytest.approx(1.05, abs=0.2)  # Student's with 19 degrees
