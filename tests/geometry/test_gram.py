"""The Gram matrix of the smaller side gives what the singular values give."""

import numpy as np
import pytest

from layergeom.geometry.gram import Gram
from layergeom.geometry.rows import Rows

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("shape", [(90, 12), (12, 90), (20, 20)])
@pytest.mark.parametrize("top", [None, 1, 3])
def test_values_directions_and_projections(shape, top):
    X = RNG.standard_normal(shape) * np.geomspace(2, 0.2, shape[1]) + 1
    Y = X - X.mean(axis=0)
    left, sigma, right = np.linalg.svd(Y, full_matrices=False)
    gram = Gram(Rows(X), top)
    kept = len(gram.values)
    assert kept == (top or min(shape[0] - 1, shape[1]))
    assert np.allclose(gram.values, sigma[:kept] ** 2 / shape[0], rtol=1e-10)
    assert abs(gram.leading @ right[0]) == pytest.approx(1, rel=1e-12)
    assert np.allclose(gram.variances, Y.var(axis=0), rtol=1e-12)
    found = gram.projections(slice(0, shape[0]), Y)
    assert np.allclose(np.abs(found), np.abs(left * sigma)[:, :kept], atol=1e-8)
    x = RNG.standard_normal(shape[1])
    assert np.allclose(gram.covariance_times(x), Y.T @ (Y @ x) / shape[0], rtol=1e-10)
