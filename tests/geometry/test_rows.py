"""Blocks of rows: centred, scaled, complete and in order."""

import numpy as np
import pytest

from layergeom.errors import DegenerateError
from layergeom.geometry.rows import Rows

X = np.random.default_rng(3).standard_normal((100, 7)) + 5


@pytest.mark.parametrize("size", [None, 1, 33, 100, 200])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_blocks_are_the_centred_rows_in_order(size, kind):
    Y = X.astype(kind)
    exact = Y.astype(np.float64) - Y.mean(axis=0, dtype=np.float64)
    blocks = [block.copy() for _, block in Rows(Y).centred(size)]
    assert blocks[0].dtype == np.float64
    assert np.allclose(np.concatenate(blocks), exact, rtol=0, atol=1e-14)
    assert np.array_equal(np.concatenate([b.copy() for _, b in Rows(Y).blocks(size)]), Y)
    assert np.allclose(np.concatenate(list(Rows(Y).columns()), axis=1), exact, rtol=0, atol=1e-14)


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_extreme_rows_come_in_units_of_a_power_of_two(factor):
    rows = Rows(X * factor)
    assert np.log2(rows.scale) == round(np.log2(rows.scale))
    block = next(rows.centred())[1]
    assert 1e-100 < np.abs(block).max() < 1e100
    back = block * rows.scale + rows.mean * rows.scale
    assert np.allclose(back, X * factor, rtol=1e-14, atol=0)


def test_covariance_times_is_the_product():
    x = np.arange(7.0)
    expected = np.cov(X.T, bias=True) @ x
    assert np.allclose(Rows(X).covariance_times(x), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_single_blocks_are_centred_up_to_their_shift(kind):
    Y = (X + 1e4 / 3).astype(kind)
    rows = Rows(Y)
    blocks = [block.copy() for _, block in rows.centred_single(33)]
    assert blocks[0].dtype == np.float32
    exact = Y.astype(np.float64) - Y.mean(axis=0, dtype=np.float64)
    assert np.allclose(np.concatenate(blocks) - rows.shift, exact, rtol=0, atol=1e-6)
    assert rows.single == (kind is np.float32)
    assert not Rows(Y * kind(1e-20)).single


def test_times_is_the_product_of_the_uncentred_rows():
    matrix = np.arange(14.0).reshape(7, 2)
    assert np.allclose(Rows(X).times(matrix), X @ matrix, rtol=1e-12)


def test_equal_rows_are_refused():
    with pytest.raises(DegenerateError, match="all 9 rows are equal"):
        Rows(np.full((9, 3), 0.1))
