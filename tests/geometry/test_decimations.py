"""Dimension against the number of samples, and the scales that are chosen by name."""

import numpy as np
import pytest

from clouds import chords as torus
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import decimation, dimension_at, gride, neighbor_graph, twonn
from layergeom.geometry.decimations import thinned_twonn
from layergeom.geometry.uncertainty import adjacency, standard_error

X = torus(np.random.default_rng(0), 2, 800)
GRAPH = neighbor_graph(X, 32)


@pytest.mark.parametrize("k", [2, 8, 64])
def test_subsets_equal_direct_estimates(k):
    graph = neighbor_graph(X, k)
    found = decimation(X, graph, (1, 2, 4, 8), seed=3)
    assert found.sizes.tolist() == [800, 400, 200, 100]
    assert (found.values[0], found.errors[0]) == (twonn(graph).value, twonn(graph).error)
    order = np.random.default_rng(3).permutation(800)
    for at, factor in enumerate((2, 4, 8), start=1):
        direct = [twonn(neighbor_graph(X[np.sort(order[i::factor])], 2)) for i in range(factor)]
        assert found.values[at] == pytest.approx(np.mean([d.value for d in direct]), rel=1e-9)
        error = np.sqrt(np.sum([d.error**2 for d in direct])) / factor
        assert found.errors[at] == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize(
    ("method", "fraction"), [("linear", 0.9), ("linear", 0.2), ("censored", None), ("ml", None)]
)
def test_subsets_are_fitted_as_asked_and_their_spread_is_told(method, fraction):
    found = decimation(X, GRAPH, (1, 4), seed=3, method=method, fraction=fraction)
    whole = twonn(GRAPH, method, fraction)
    assert (found.values[0], found.errors[0]) == (whole.value, whole.error)
    assert np.isnan(found.spreads[0])  # one subset says nothing of its scatter
    order = np.random.default_rng(3).permutation(800)
    graphs = [neighbor_graph(X[np.sort(order[i::4])], 2) for i in range(4)]
    each = np.array([twonn(graph, method, fraction).value for graph in graphs])
    assert found.values[1] == pytest.approx(each.mean(), rel=1e-9)
    assert found.spreads[1] == pytest.approx(each.std(ddof=1) / 2, rel=1e-9)


def test_no_size_is_no_row():
    found = decimation(X[:60], neighbor_graph(X[:60], 4), (4,))
    assert [len(a) for a in (found.sizes, found.values, found.errors, found.spreads)] == [0] * 4


def test_a_fit_that_is_none_is_refused_before_anything_is_measured():
    with pytest.raises(InputError, match="method is 'mle'"):
        decimation(X, GRAPH, (2,), method="mle")
    with pytest.raises(InputError, match="fraction is 0"):
        decimation(X, GRAPH, (2,), method="linear", fraction=0)


def test_subsets_of_fewer_than_50_points_are_left_out():
    assert decimation(X, GRAPH, (1, 8, 16, 17, 100)).sizes.tolist() == [800, 100, 50]
    assert decimation(X[:60], neighbor_graph(X[:60], 4)).sizes.tolist() == [60]


def test_decimation_is_that_of_the_distinct_points():
    doubled = np.vstack([X, X[:100]])
    with pytest.warns(GeometryWarning, match="100 of 900"):
        found = decimation(doubled, neighbor_graph(doubled, 8), (1, 2))
    assert found.sizes.tolist() == [800, 400]
    assert np.allclose(found.values, decimation(X, neighbor_graph(X, 8), (1, 2)).values)


def test_thinned_twonn_is_twonn_or_the_mean_of_subsets_with_their_spread():
    whole = twonn(GRAPH, "linear", 0.9)
    assert thinned_twonn(X, GRAPH, 1, 0, "linear", 0.9) == (whole.value, whole.error)
    quarters = decimation(X, GRAPH, (4,), 3)
    assert thinned_twonn(X, GRAPH, 4, 3) == (quarters.values[0], quarters.spreads[0])
    with pytest.raises(DegenerateError, match="800 distinct points are too few"):
        thinned_twonn(X, GRAPH, 20)


def test_decimated_errors_are_those_of_repetitions():
    """C-se-decimated, and the mean over both halves."""
    values, errors, halves = [], [], []
    for seed in range(60):
        Y = torus(np.random.default_rng(seed), 5, 300)
        both = decimation(Y, neighbor_graph(Y, 8), (2,), seed)
        half = twonn(neighbor_graph(Y[:150], 2))
        values.append(both.values[0])
        errors.append(both.errors[0])
        halves.append((half.value, half.error))
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)
    one = np.array(halves)
    assert 0.5 < one[:, 1].mean() / one[:, 0].std(ddof=1) < 2


def test_named_scales_are_the_estimators():
    assert dimension_at(X, GRAPH)[0].value == twonn(GRAPH).value
    found, joined = dimension_at(X, GRAPH, "gride-16")
    assert (found.value, found.error) == (gride(GRAPH, 16).value, gride(GRAPH, 16).error)
    assert joined is adjacency(GRAPH, 32)
    quarters = decimation(X, GRAPH, (4,), seed=3)
    found, joined = dimension_at(X, GRAPH, "decimated-4", seed=3)
    assert found.value == pytest.approx(quarters.values[0], rel=1e-12)
    assert found.error == pytest.approx(quarters.errors[0], rel=1e-9)
    assert standard_error(found.influence, joined) == found.error
    assert (found.n_points, found.ranks) == (200, (1, 2))
    assert found.distance > twonn(GRAPH).distance


def test_a_decimated_estimate_of_repeats_and_groups_keeps_to_the_rows():
    doubled = np.vstack([X, X[:100]])
    with pytest.warns(GeometryWarning, match="100 of 900"):
        found, joined = dimension_at(doubled, neighbor_graph(doubled, 8), "decimated-2")
    halves = decimation(doubled, neighbor_graph(doubled, 8), (2,))
    assert found.influence.shape == (900,)
    assert not found.influence[800:].any()
    assert found.error == pytest.approx(halves.errors[0], rel=1e-9)
    groups = np.arange(800) // 2
    graph = neighbor_graph(X, 8, groups=groups)
    found, joined = dimension_at(X, graph, "decimated-2")
    assert found.error == pytest.approx(decimation(X, graph, (2,)).errors[0], rel=1e-9)
    assert joined.units is not None


@pytest.mark.parametrize("name", ["plateau", "gride", "gride-0", "decimated-x", "gride-4 ", 16])
def test_a_scale_of_no_name_is_refused(name):
    with pytest.raises(InputError, match=r"scale is .*; give nearest"):
        dimension_at(X, GRAPH, name)


def test_a_scale_beyond_the_points_is_refused():
    with pytest.raises(DegenerateError, match="too few to be split into 20 subsets"):
        dimension_at(X, GRAPH, "decimated-20")
    with pytest.raises(InputError, match="rank n2 = 64 exceeds"):
        dimension_at(X, GRAPH, "gride-32")
