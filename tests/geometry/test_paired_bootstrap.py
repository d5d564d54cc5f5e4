"""Bounds of means over queries: by definition, repeatable, honest where nothing is known."""

import numpy as np
import pytest

from layergeom.geometry import paired_bootstrap
from layergeom.geometry.paired_bootstrap import mean_bounds


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    return np.vstack([rng.beta(2, 1, 80), rng.exponential(0.1, 80) - 0.05, rng.random(80) < 0.3])


def by_definition(row, draws, seed, confidence):
    """One resample at a time."""
    q, rng = len(row), np.random.default_rng(seed)
    picks = rng.integers(0, q, (draws, q))
    means, errors = row[picks].mean(axis=1), row[picks].std(axis=1, ddof=1) / np.sqrt(q)
    t = (means - row.mean()) / errors
    error = row.std(ddof=1) / np.sqrt(q)
    tail = (1 - confidence) / 2
    levels = [1 - tail, tail, 1 - confidence]
    return row.mean() - np.quantile(t, levels, method="inverted_cdf") * error


def test_by_definition(scores):
    found = mean_bounds(scores, draws=500, seed=3, confidence=0.9)
    np.testing.assert_allclose(found.values, scores.mean(axis=1))
    np.testing.assert_allclose(found.errors, scores.std(axis=1, ddof=1) / np.sqrt(80))
    for at, row in enumerate(scores.astype(float)):
        wanted = by_definition(row, 500, 3, 0.9)
        np.testing.assert_allclose(
            [found.low[at], found.high[at], found.upper[at]], wanted, rtol=1e-9
        )
        assert found.low[at] < found.values[at] < found.upper[at] < found.high[at]


def test_the_same_for_one_seed_whatever_stands_beside_and_however_blocks_are_cut(
    scores, monkeypatch
):
    whole = mean_bounds(scores, draws=300, seed=1)
    alone = mean_bounds(scores[1:2], draws=300, seed=1)
    assert alone.upper[0] == pytest.approx(whole.upper[1], rel=1e-12)
    assert mean_bounds(scores, draws=300, seed=2).upper[0] != whole.upper[0]
    monkeypatch.setattr(paired_bootstrap, "BLOCK", 7 * 80)
    np.testing.assert_allclose(mean_bounds(scores, 300, 1).upper, whole.upper, rtol=1e-12)


def test_what_is_not_known_is_nan():
    rows = np.array([[0.5] * 9, [0.1 + 0.2] * 9, [np.nan] + [0.0] * 8])
    found = mean_bounds(rows)
    assert found.values[0] == 0.5
    for array in (found.errors, found.low, found.high, found.upper):
        assert np.isnan(array).all()
    assert np.isnan(mean_bounds(np.array([[0.3]])).upper).all()


def test_a_single_query_that_differs_bounds_nothing():
    """Two resamples in three hold it or not by chance; a third hold only zeros: no bound."""
    row = np.zeros((1, 10))
    row[0, 4] = 1.0
    assert mean_bounds(row).upper[0] == np.inf


def test_losses_of_which_few_are_large_are_covered():
    """95 % asked; percentiles cover about 89 % here. Three standard errors of 300 sets."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        losses = np.where(rng.random(200) < 0.05, rng.random(200), 0.0)
        covered += mean_bounds(losses[None], draws=400, seed=seed).upper[0] >= 0.025
    assert covered / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)
