"""Dimension between groups against loops; its lists, ranks, subsets and errors."""

import numpy as np
import pytest
import reference
from clumps import clumps

from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import decimation, gride, neighbor_graph, scale_analysis, twonn
from layergeom.geometry.group_ratios import ranked_distances, reach
from layergeom.geometry.group_scales import queried_group_scales
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import JoinedLayers, adjacency

RNG = np.random.default_rng(0)
X, GROUPS = clumps(RNG, 24, 5, 0.8, d=4)
GRAPH = neighbor_graph(X, 40, groups=GROUPS)


def loops(X, units, rank):
    """For each point: distance to the rank-th nearest other unit, and all rows inside it."""
    radii, inside = [], []
    for i in range(len(X)):
        d = reference.distances_from(X, i).astype(float)
        others = np.unique(units[units != units[i]])
        radius = np.sort([d[units == u].min() for u in others])[rank - 1]
        radii.append(radius)
        inside.append([j for j in np.flatnonzero(units != units[i]) if d[j] < radius])
    return np.array(radii), inside


def ratios_by_loops(X, units, rank):
    radii, inside = loops(X, units, rank)
    pairs = [(i, j) for i, members in enumerate(inside) for j in members]
    return np.array([np.log(radii[i] / reference.distances_from(X, i)[j]) for i, j in pairs])


@pytest.mark.parametrize("rank", [2, 4, 8])
def test_every_row_inside_the_outer_group_gives_a_ratio(rank):
    log_mu = ratios_by_loops(X, GROUPS, rank).astype(float)
    found = gride(GRAPH, rank // 2) if rank > 2 else twonn(GRAPH)
    assert found.value == pytest.approx((len(log_mu) - 1) / log_mu.sum(), rel=1e-10)
    assert len(log_mu) > len(X) * (rank - 1)  # siblings count
    for fraction in (0.5, 0.9):
        censored = twonn(GRAPH, "censored", fraction).value
        linear = twonn(GRAPH, "linear", fraction).value
        log_mu = ratios_by_loops(X, GROUPS, 2).astype(float)
        assert censored == pytest.approx(reference.censored_fit(log_mu, fraction), rel=1e-9)
        assert linear == pytest.approx(reference.linear_fit(log_mu, fraction), rel=1e-9)


def test_the_error_joins_groups_and_neighbours():
    found = twonn(GRAPH)
    radii, inside = loops(X, GROUPS, 2)

    def listed(i, j):
        return j in inside[i] or np.isclose(reference.distances_from(X, i)[j], radii[i])

    def joined(i, j):
        return GROUPS[i] == GROUPS[j] or listed(i, j) or listed(j, i)

    assert found.error == pytest.approx(reference.standard_error(found.influence, joined), rel=1e-9)
    apart = reference.standard_error(found.influence, lambda i, j: i == j)
    assert abs(found.error - apart) > 0.05 * apart


def test_groups_of_one_row_change_no_bit():
    plain, single = (
        neighbor_graph(X, 20, groups=g) for g in (None, [f"row {i}" for i in range(120)])
    )
    assert single.groups is None
    for a, b in zip(plain.packed().values(), single.packed().values(), strict=True):
        assert np.array_equal(a, b)


def test_equal_rows_of_several_groups_are_one_point_that_all_may_meet():
    doubled = np.vstack([X, X[:3], X[7:8]])
    groups = np.append(GROUPS, [9, 9, GROUPS[0], GROUPS[7]])  # the last repeats its own group
    groups[5 * 9 : 5 * 9 + 1] = 9
    graph = neighbor_graph(doubled, 40, groups=groups)
    assert graph.n_distinct == 120
    units = GROUPS.copy()
    units[:3] = [100, 101, 102]
    log_mu = ratios_by_loops(X, units, 2).astype(float)
    assert twonn_quietly(graph).value == pytest.approx((len(log_mu) - 1) / log_mu.sum(), rel=1e-10)
    reference.assert_exact(graph, doubled, groups)


def twonn_quietly(graph):
    with pytest.warns(match="rows repeat another row"):
        return twonn(graph)


def test_layers_that_share_other_points_have_the_form_of_the_union():
    doubled = np.vstack([X, X[:3]])
    groups = np.append(GROUPS, [9, 9, 9])
    other = doubled + 0.1 * RNG.standard_normal(doubled.shape)
    graphs = [neighbor_graph(cloud, 10, groups=groups) for cloud in (doubled, other)]
    joined = [adjacency(graph, 2) for graph in graphs]
    dense = [
        (each.pairs.toarray() > 0) | (each.units[:, None] == each.units[None, :]) for each in joined
    ]
    form = JoinedLayers(joined)
    x, y = RNG.standard_normal((2, 123))
    first = graphs[0].representatives
    x[np.setdiff1d(np.arange(123), first)] = y[np.setdiff1d(np.arange(123), first)] = 0
    for a in (0, 1):
        for b in (0, 1):
            expected = x @ (dense[a] | dense[b]) @ y
            assert form.form(a, b, x, y) == pytest.approx(expected, rel=1e-11)
        assert x @ (joined[a] @ y) == pytest.approx(x @ dense[a] @ y, rel=1e-11)


def test_tight_groups_are_looked_through():
    """Ten lists of the forty nearest hold siblings alone; they are searched as far as it takes."""
    tight, groups = clumps(np.random.default_rng(1), 12, 30, 0.9999, d=4)
    graph = neighbor_graph(tight, 10, groups=groups)
    assert graph.k == 10
    assert graph.points[1].shape[1] > 30
    log_mu = ratios_by_loops(tight, groups, 2).astype(float)
    assert twonn(graph).value == pytest.approx((len(log_mu) - 1) / log_mu.sum(), rel=1e-9)
    kept = NeighborGraph.unpacked(graph.packed())
    assert twonn(kept).value == twonn(graph).value
    assert twonn(graph.nearest(3)).value == twonn(graph).value


def test_two_groups_have_no_dimension():
    graph = neighbor_graph(X, 10, groups=np.arange(120) % 2)
    with pytest.raises(DegenerateError, match="all of one other group"):
        twonn(graph)


def test_ranks_beyond_the_lists_are_refused():
    with pytest.raises(InputError, match=f"rank n2 = 30 exceeds the {reach(GRAPH)} groups"):
        gride(GRAPH, 15)


def test_distances_to_groups_are_those_of_their_nearest_rows():
    for rank in (1, 2, 5):
        assert ranked_distances(GRAPH, rank) == pytest.approx(loops(X, GROUPS, rank)[0], rel=1e-12)


# ── scales and subsets ────────────────────────────────────────────────────────────────────────


def test_queried_scales_are_those_of_the_lists():
    found = queried_group_scales(X, GROUPS, np.array([1, 2, 4]), np.arange(len(X)))
    for n1, (distance, value, error, influence) in zip((1, 2, 4), found, strict=True):
        listed = gride(GRAPH, n1)
        assert (distance, value) == pytest.approx((listed.distance, listed.value), rel=1e-8)
        assert error == pytest.approx(listed.error, rel=0.05)  # of the ratio, not the likelihood
        assert np.corrcoef(influence, listed.influence)[0, 1] > 0.95


def test_the_scale_curve_ends_at_a_quarter_of_the_groups():
    cloud, groups = clumps(np.random.default_rng(2), 200, 4, 0.5)
    found = scale_analysis(cloud, neighbor_graph(cloud, 16, groups=groups))
    assert found.ranks.tolist() == [1, 2, 4, 8, 16]
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.errors).all()
    assert found.values == pytest.approx(9.3, abs=1.2)


def test_decimation_cuts_no_group(monkeypatch):
    cloud, groups = clumps(np.random.default_rng(3), 120, 5, 0.9)
    graph = neighbor_graph(cloud, 30, groups=groups)
    seen = []
    search = neighbor_graph

    def noting(part, k, groups):
        seen.append(groups)
        return search(part, k, groups=groups)

    monkeypatch.setattr("layergeom.geometry.decimations.neighbor_graph", noting)
    found = decimation(cloud, graph, (1, 2, 4, 60))
    assert found.sizes.tolist() == [600, 300, 150]  # 60 would leave two groups
    assert len(seen) == 6
    for part in seen:
        assert (np.bincount(part)[np.unique(part)] == 5).all()
    assert found.values == pytest.approx(9.5, abs=2.5)  # cut groups read 3 to 7
    assert found.values[0] == twonn(graph).value
