"""Curves that were measured several times: means, errors, and what few repeats are worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from layergeom.errors import InputError
from layergeom.reading.repeated import (
    RepeatedCurve,
    Repeats,
    mean_with_error,
    surely_above,
    widening,
)


def test_mean_spread_and_error_are_over_the_repeats_that_have_a_value() -> None:
    curve = RepeatedCurve(np.array([[1.0, 2, np.nan], [3, np.nan, np.nan], [8, 4, np.nan]]))
    np.testing.assert_allclose(curve.mean, [4, 3, np.nan])
    np.testing.assert_allclose(curve.spread, [np.std([1, 3, 8], ddof=1), np.sqrt(2), np.nan])
    np.testing.assert_allclose(curve.error, curve.spread / np.sqrt([3, 2, 1]))
    assert curve.complete == (0,)


def test_equal_repeats_have_no_known_error() -> None:
    curve = RepeatedCurve(np.full((3, 2), 5.0))
    assert curve.spread.tolist() == [0, 0]
    assert np.isnan(curve.error).all()


def test_differences_are_those_of_paired_repeats() -> None:
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((40, 1))  # moves all layers of a repeat alike
    values = np.array([5.0, 5.5, 9]) + 5 * shared + 0.1 * rng.standard_normal((40, 3))
    differ = RepeatedCurve(values).differences()
    paired = np.std(values[:, 1] - values[:, 0], ddof=1) / np.sqrt(40) * widening(40)
    assert differ.errors[0, 1] == pytest.approx(paired)
    assert differ.counts(values.mean(axis=0), 0, 1)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_too_little_for_differences_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="both must be at least 2"):
        RepeatedCurve(np.ones(shape)).differences()


def test_a_prompt_without_a_value_costs_its_repeat_and_not_the_layer() -> None:
    values = np.random.default_rng(0).standard_normal((20, 3))
    values[4, 1] = np.nan
    values[:3, 2] = np.nan  # more than one of ten
    curve = RepeatedCurve(values)
    assert curve.complete == (0, 1)
    np.testing.assert_array_equal(curve.paired, np.delete(values, 4, axis=0)[:, :2])
    few = RepeatedCurve(values[:5])
    assert few.complete == (0,)


def test_a_curve_needs_a_table() -> None:
    with pytest.raises(InputError, match=r"not of shape \(3,\)"):
        RepeatedCurve(np.ones(3))


def test_three_errors_of_few_repeats_err_as_rarely_as_three_of_many() -> None:
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((40_000, 5))
    found = [surely_above(row, 0) for row in draws]
    assert np.mean([one is not None for one in found]) == pytest.approx(0.0027, abs=0.001)
    plain = np.abs(draws.mean(axis=1)) > 3 * draws.std(axis=1, ddof=1) / np.sqrt(5)
    assert plain.mean() > 0.03  # what the widening is for


def test_surely_above_is_a_paired_t_test() -> None:
    values = np.array([0.4, 1.2, 0.7, 0.9, 1.6, np.nan])
    p = ttest_1samp(values[:5], 0.0).pvalue
    assert (surely_above(values, 0) is True) == (p < 0.0027)
    assert surely_above(-values, 0) is not True
    assert surely_above(np.array([1.0]), 0) is None
    assert np.isnan(mean_with_error(np.array([np.nan]))[0])


def test_layers_can_be_left_out() -> None:
    curves = {"dimension": RepeatedCurve(np.arange(8.0).reshape(2, 4))}
    found = Repeats(("embedding", "block_1", "block_2", "final"), (0, 0.5, 1, 1), curves)
    kept = found.without("final", "embedding")
    assert (kept.layers, kept.depths) == (("block_1", "block_2"), (0.5, 1))
    assert kept.curves["dimension"].values.tolist() == [[1, 2], [5, 6]]
