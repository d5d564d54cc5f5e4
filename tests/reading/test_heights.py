"""Peak and plateau of the dimension, and the line through them over the size."""

from __future__ import annotations

import numpy as np
import pytest
from courses import profile_of

from layergeom.reading.heights import Height, peak_height, plateau_height, size_trend

HUNCHBACK = [6.0, 12.0, 20.0, 9.0, 5.0, 5.05, 5.0, 9.0]


def test_peak_is_the_first_that_exceeds_its_errors() -> None:
    peak = peak_height(profile_of(HUNCHBACK))
    assert (peak.layer, peak.value, peak.error) == ("block_2", 20.0, pytest.approx(0.1))
    assert peak.depth == pytest.approx(2 / 7)
    second = peak_height(profile_of([6.0, 12.0, 7.0, 14.0, 5.0]))
    assert second.value == 12


def test_plateau_is_the_mean_of_the_layers_that_cannot_be_told_apart() -> None:
    plateau = plateau_height(profile_of(HUNCHBACK))
    assert plateau.layer == "block_4"
    assert plateau.value == pytest.approx(np.mean([5.0, 5.05, 5.0]))
    assert plateau.error == pytest.approx(0.1 / np.sqrt(3))


def test_error_of_the_plateau_takes_shared_rows_into_account() -> None:
    together = profile_of(HUNCHBACK, correlation=1.0)  # more layers of the same rows say no more
    assert plateau_height(together).error == pytest.approx(0.1)


def test_plateau_may_be_where_the_profile_falls_to() -> None:
    assert plateau_height(profile_of([6.0, 20.0, 9.0, 5.0, 5.0])).value == 5


@pytest.mark.parametrize("values", [[5.0] * 5, [5.0, 7, 9, 11, 13], [13.0, 11, 9, 7, 5]])
def test_without_a_peak_there_are_no_heights(values: list[float]) -> None:
    for height in (peak_height(profile_of(values)), plateau_height(profile_of(values))):
        assert np.isnan([height.depth, height.value, height.error]).all()
        assert height.layer == ""
        assert "peak" in height.reason


def heights(values: list[float], errors: list[float]) -> list[Height]:
    return [Height("block_1", 0.5, v, e) for v, e in zip(values, errors, strict=True)]


def test_trend_is_the_weighted_line() -> None:
    sizes, values = np.array([1e6, 1e7, 1e8, 1e9]), [10.0, 13.0, 15.0, 21.0]
    errors = [0.1, 0.5, 0.4, 1.0]
    found = size_trend("peak", sizes, heights(values, errors))
    weights = 1 / np.array(errors)
    slope, V = np.polyfit(np.log10(sizes), values, 1, w=weights, cov="unscaled")
    assert found.slope == pytest.approx(slope[0])
    assert found.error == pytest.approx(np.sqrt(V[0, 0]))
    low, high = np.polyval(slope, [6, 9])
    assert found.change == pytest.approx((high - low) / low)
    assert found.words.startswith(f"peak: {slope[0]:+.2f} ± ")


def test_what_is_unknown_is_left_out_of_the_trend() -> None:
    sizes = np.array([1e6, np.nan, 1e8, 1e7])
    found = size_trend("peak", sizes, heights([10, 99, 14, np.nan], [1, 1, 1, np.nan]))
    assert found.slope == pytest.approx(2)
    for nothing in (sizes[:1], np.array([5.0, 5.0])):
        few = size_trend("peak", nothing, heights([10, 12][: len(nothing)], [1, 1][: len(nothing)]))
        assert np.isnan([few.slope, few.error, few.change]).all()
        assert "two sizes" in few.words
