"""The Gram matrix of the smaller side gives what the singular values give."""

import numpy as np
import pytest

from layergeom.geometry.gram import Gram
from layergeom.geometry.rows import Rows

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("shape", [(90, 12), (12, 90), (20, 20)])
@pytest.mark.parametrize("want", ["values", "first", "all"])
def test_values_and_projections(shape, want):
    X = RNG.standard_normal(shape) * np.geomspace(2, 0.2, shape[1]) + 1
    Y = X - X.mean(axis=0)
    left, sigma, _ = np.linalg.svd(Y, full_matrices=False)
    gram = Gram(Rows(X), want)
    kept = len(gram.values)
    assert kept == (1 if want == "first" else min(shape[0] - 1, shape[1]))
    assert np.allclose(gram.values, sigma[:kept] ** 2 / shape[0], rtol=1e-10)
    assert np.allclose(gram.variances, Y.var(axis=0), rtol=1e-12)
    if want != "values":
        found = np.concatenate([block.copy() for _, block in gram.projections()])
        assert np.allclose(np.abs(found), np.abs(left * shape[0] ** 0.5)[:, :kept], atol=1e-8)


@pytest.mark.parametrize("shape", [(90, 12), (12, 90), (20, 20), (90, 2), (2, 90), (90, 1)])
@pytest.mark.parametrize("offset", [0, 0.3, 1e3])
def test_uncentred_direction(shape, offset):
    X = RNG.standard_normal(shape) + offset
    X -= 0 if offset else X.mean(axis=0)
    _, sigma, right = np.linalg.svd(X, full_matrices=False)
    value, direction = Gram(Rows(X), "values").uncentred()
    assert value == pytest.approx(sigma[0] ** 2 / shape[0], rel=1e-10)
    assert abs(direction @ right[0]) == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("offset", [0, 1e4])
def test_float32_rows_are_projected_in_float32(offset):
    """A coordinate 3,000 times the others and an offset spoil no small direction."""
    X = RNG.standard_normal((500, 40)) * np.geomspace(1, 0.1, 40)
    X[:, 7] *= 3000
    single = (X + offset).astype(np.float32)
    narrow, wide = Gram(Rows(single), "all"), Gram(Rows(single.astype(np.float64)), "all")
    for (_, one), (_, other) in zip(narrow.projections(), wide.projections(), strict=True):
        assert one.dtype == np.float32
        assert np.allclose(one, other, rtol=0, atol=1e-4)
