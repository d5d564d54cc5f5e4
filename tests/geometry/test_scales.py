"""Dimension against distance."""

import numpy as np
import pytest

from clouds import chords as torus
from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry import gride, neighbor_graph, scale_analysis, scales

RNG = np.random.default_rng(0)
X = torus(RNG, 2, 800)
GRAPH = neighbor_graph(X, 32)


def noisy_square(n):
    """A unit square with noise of 0.01 in 20 dimensions: 20-D near, 2-D far."""
    rng = np.random.default_rng(0)
    square = np.hstack([rng.random((n, 2)), np.zeros((n, 18))])
    return square + 0.01 * rng.standard_normal((n, 20))


def test_ranks_double_up_to_a_quarter_of_the_points():
    found = scale_analysis(X, GRAPH)
    assert found.ranks.tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert (np.diff(found.distances) > 0).all()
    assert np.isfinite(found.values).all()
    assert (found.errors > 0).all()


def test_listed_scales_are_gride_and_queried_ones_continue_them(monkeypatch):
    monkeypatch.setattr(scales, "QUERIES", len(X))
    wide = neighbor_graph(X, 128)
    listed, queried = scale_analysis(X, wide), scale_analysis(X, neighbor_graph(X, 2))
    for n1, value, error, at in zip(
        listed.ranks, listed.values, listed.errors, listed.distances, strict=True
    ):
        one = gride(wide, int(n1))
        assert (value, error, at) == (one.value, one.error, one.distance)
    # All 800 points are queried, so that only the search differs.
    assert np.allclose(queried.values, listed.values, rtol=1e-9)
    assert np.allclose(queried.distances, listed.distances, rtol=1e-9)
    assert np.allclose(queried.errors, listed.errors, rtol=0.5)


def test_sampled_queries_agree_within_their_errors(monkeypatch):
    monkeypatch.setattr(scales, "QUERIES", 300)
    whole, sampled = scale_analysis(X, neighbor_graph(X, 128)), scale_analysis(X, GRAPH, seed=1)
    later = slice(5, None)
    gap = np.abs(sampled.values - whole.values)[later]
    assert (gap > 0).all()
    assert (gap < 4 * sampled.errors[later]).all()
    again = scale_analysis(X, GRAPH, seed=1)
    assert np.array_equal(again.values, sampled.values)
    assert not np.array_equal(scale_analysis(X, GRAPH, seed=2).values, sampled.values)


def test_a_flat_torus_is_one_plateau():
    found = scale_analysis(X, GRAPH)
    assert found.plateau is not None
    assert found.plateau[0] == 0
    assert found.plateau[1] >= 4
    middle = sum(found.plateau) // 2
    assert found.plateau_dimension == found.values[middle] == pytest.approx(2, rel=0.06)
    assert found.plateau_error == pytest.approx(found.errors[middle], rel=0.5)
    assert found.plateau_share > 0.99


def test_the_plateau_lies_beyond_the_noise():
    """C-scale-noise: within 25 % of 2, or none."""
    Y = noisy_square(10000)
    found = scale_analysis(Y, neighbor_graph(Y, 2))
    assert found.values[0] > 5
    assert found.plateau is None or found.plateau_dimension == pytest.approx(2, rel=0.25)


def test_a_few_points_have_few_scales():
    for n, ranks in ((8, [1]), (15, [1]), (16, [1, 2]), (40, [1, 2, 4])):
        Y = RNG.standard_normal((n, 3))
        found = scale_analysis(Y, neighbor_graph(Y, n - 1))
        assert found.ranks.tolist() == ranks


def test_no_plateau_has_no_dimension():
    Y = RNG.standard_normal((15, 3))
    found = scale_analysis(Y, neighbor_graph(Y, 5))
    assert found.plateau is None
    assert np.isnan(found.plateau_dimension)
    assert np.isnan(found.plateau_error)


def test_repeats_count_once():
    doubled = np.vstack([X, X])
    with pytest.warns(GeometryWarning, match="800 of 1600"):
        found = scale_analysis(doubled, neighbor_graph(doubled, 32))
    assert np.allclose(found.values, scale_analysis(X, GRAPH).values, rtol=1e-9)


def test_points_and_graph_must_have_equal_rows():
    with pytest.raises(InputError, match="X has 799 rows but the graph has 800"):
        scale_analysis(X[1:], GRAPH)
