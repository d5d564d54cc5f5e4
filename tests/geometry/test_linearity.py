"""The linearity between two layers against least squares, known noise, and its traps."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import r2_score

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry.linearity import PENALTIES, _half, linearity


def layers(n: int, width: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, width)) * np.linspace(0.2, 3, width) + 5
    A = rng.standard_normal((width, 7))
    clean = X @ A
    scale = np.sqrt(clean.var(axis=0).sum() / 7)
    return X, clean + noise * scale * rng.standard_normal((n, 7)) - 2


def test_on_all_rows_it_is_the_papers_procrustes_score() -> None:
    X, Y = layers(90, 8, 0.5)
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    A = np.linalg.lstsq(x, y)[0]
    found = linearity(X, Y, held_out=False)
    assert found.value == pytest.approx(1 - ((x @ A - y) ** 2).sum(), rel=1e-10)


def test_held_out_it_is_that_of_least_squares_where_rows_are_many() -> None:
    X, Y = layers(2000, 6, 0.4)
    first = _half(np.arange(2000), 0)
    missed, there = 0.0, 0.0
    for seen in (first, ~first):
        predicted = LinearRegression().fit(X[seen], Y[seen]).predict(X[~seen])
        missed += ((Y[~seen] - predicted) ** 2).sum()
        there += ((Y[~seen] - Y[seen].mean(axis=0)) ** 2).sum()
    found = linearity(X, Y)
    assert first.sum() == 1000
    assert 0 < found.value - (1 - missed / there) < 5e-4  # what the penalty gains
    assert found.value == pytest.approx(1 / (1 + 0.4**2), abs=4 * found.error)


def test_the_penalty_is_about_that_of_leaving_one_out() -> None:
    """Ridge by sklearn, whose penalty is that of leave-one-out: the score of a hard case agrees."""
    X, Y = layers(240, 90, 1.0)
    first = _half(np.arange(240), 0)
    predicted = np.empty_like(Y)
    for seen in (first, ~first):
        x = X[seen] - X[seen].mean(axis=0)
        alphas = PENALTIES[1:] * np.linalg.norm(x, 2) ** 2
        predicted[~seen] = RidgeCV(alphas).fit(X[seen], Y[seen]).predict(X[~seen])
    peer = r2_score(Y, predicted, multioutput="variance_weighted")
    plain = linearity(X, Y, held_out=False).value
    assert linearity(X, Y).value == pytest.approx(peer, abs=0.02)
    assert linearity(X, Y).value < 0.5 < plain  # what 90 coordinates of 240 rows seem to say


def test_fewer_rows_than_coordinates_are_trivial_only_without_holding_out() -> None:
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((60, 100)), rng.standard_normal((60, 4))
    with pytest.warns(GeometryWarning, match="60 rows are too few for 100 coordinates"):
        assert linearity(X, Y, held_out=False).value == pytest.approx(1, abs=1e-9)
    assert linearity(X, Y).value < 0.1


def test_scale_shift_and_rotation_change_nothing() -> None:
    X, Y = layers(400, 10, 0.7)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((10, 10)))[0]
    found = linearity(X, Y)
    for x, y in ((1e30 * X, Y), (X @ turn + 9, 1e-30 * Y)):
        assert linearity(x, y).value == pytest.approx(found.value, rel=1e-6)
        assert linearity(x, y).error == pytest.approx(found.error, rel=1e-6)


def test_an_exact_map_has_no_error_of_rounding() -> None:
    X, Y = layers(200, 6, 0.0)
    assert linearity(X, Y).value == pytest.approx(1, abs=1e-12)
    assert np.isnan(linearity(X, Y).error)


def test_a_residual_stream_hides_a_block_that_is_not_linear() -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((2000, 6))
    block = 0.1 * np.abs(X)  # no linear part: |x| and x are uncorrelated
    assert linearity(X, X + block).value > 0.99
    assert abs(linearity(X, block).value) < 0.02


def test_the_error_is_that_of_draws() -> None:
    found = [linearity(*layers(400, 5, 0.8, seed)) for seed in range(60)]
    draws = [linearity(*_drawn(400, seed)) for seed in range(60)]
    ratio = np.mean([x.error for x in draws]) / np.std([x.value for x in draws], ddof=1)
    assert 0.75 < ratio < 1.3  # the standard deviation of 60 draws has an error of 9 %
    assert all(0 < x.error < 0.05 for x in found)


def _drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Other rows of one pair of layers."""
    rng = np.random.default_rng(seed)
    A = np.random.default_rng(99).standard_normal((5, 7))
    X = rng.standard_normal((n, 5))
    return X, X @ A + 2 * rng.standard_normal((n, 7))


def test_rows_of_a_group_are_in_one_half_and_one_unit() -> None:
    """Copies that leak into the other half are remembered, not predicted."""
    rng = np.random.default_rng(3)
    X = np.repeat(rng.standard_normal((50, 80)), 6, axis=0)
    Y = np.repeat(rng.standard_normal((50, 3)), 6, axis=0)
    groups = np.repeat(np.arange(50), 6)
    assert linearity(X, Y).value > 0.8
    apart = linearity(X, Y, groups=groups)
    assert apart.value < 0  # worse than the mean
    assert len(np.unique(groups[_half(groups, 0)])) == 25
    assert apart.error > 1.5 * linearity(X, Y, groups=np.arange(300)).error


def test_influences_are_those_of_their_rows() -> None:
    """A row that the map misses by far lowers the score the most."""
    X, Y = layers(300, 5, 0.1)
    for row in (0, 7, 299):
        missed = Y.copy()
        missed[row] += 20
        assert np.argmin(linearity(X, missed).influence) == row


def test_what_has_no_answer_is_refused() -> None:
    X, Y = layers(30, 4, 0.1)
    with pytest.raises(InputError, match="X and Y have 30 and 29 rows"):
        linearity(X, Y[:-1])
    with pytest.raises(DegenerateError, match="all rows of Y are equal"):
        linearity(X, np.ones((30, 2)))
    with pytest.raises(InputError, match="all rows are of one group"):
        linearity(X, Y, groups=[1] * 30)
