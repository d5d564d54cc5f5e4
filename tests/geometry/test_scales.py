"""Dimension against distance, the plateau rule, and dimension against sample size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifolds import torus

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import decimation, gride, neighbor_graph, scale_analysis, scales, twonn

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
    assert found.plateau_error == found.errors[middle]


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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 2.0, 2.0], (0, 2)),
        ([2.0, 2.0], None),
        ([], None),
        ([12, 8, 5, 2.5, 2.3, 2.2, 2.2], (3, 6)),
        ([12, 8, 5, 3], None),
        ([5, 5, 5, 2, 2, 2], (0, 2)),  # of equally long runs, the nearest
        ([5, 5, 5, 2, 2, 2, 2], (3, 6)),  # the longest
        ([1, 1.16, 1], (0, 2)),  # spread 0.148 of the mid-range
        ([1, 1.17, 1], None),  # spread 0.157
        ([np.nan, 2, 2, 2], (1, 3)),
        ([2, 2, np.nan, 2, 2], None),  # a scale without a dimension ends a run
        ([2, 2, 2, np.nan], (0, 2)),
    ],
)
def test_the_plateau_rule(values, expected):
    assert scales.plateau(np.array(values, dtype=float)) == expected


@given(st.lists(st.floats(0.5, 50), max_size=9), st.floats(0.01, 100))
def test_the_plateau_does_not_depend_on_the_unit(values, factor):
    at = np.array(values)
    run = scales.plateau(at)
    if run is not None:
        part = at[run[0] : run[1] + 1]
        assert len(part) >= 3
        assert part.max() - part.min() <= 0.15 * (part.max() + part.min()) / 2
    if not any(abs(abs(a - b) / (a + b) - 0.075) < 1e-9 for a in values for b in values):
        assert scales.plateau(at * factor) == run


# ── decimation ────────────────────────────────────────────────────────────────────────────────


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
    assert scales.thinned_twonn(X, GRAPH, 1, 0, "linear", 0.9) == (whole.value, whole.error)
    quarters = decimation(X, GRAPH, (4,), 3)
    assert scales.thinned_twonn(X, GRAPH, 4, 3) == (quarters.values[0], quarters.spreads[0])
    with pytest.raises(DegenerateError, match="800 distinct points are too few"):
        scales.thinned_twonn(X, GRAPH, 20)


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
