"""The audit passes right lists, sees wrong ones, and knows groups, repeats and large offsets."""

from dataclasses import replace

import numpy as np
import pytest
from clumps import clumps

from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import neighbor_graph
from layergeom.geometry.audit import audit


def cloud(n=300, d=20):
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)


def with_lists(graph, distances, indices):
    return replace(graph, distinct_distances=distances, distinct_indices=indices)


def swapped(graph):
    """The last listed neighbour of every point is replaced by one that lies beyond."""
    distances, indices = (np.array(x[:, :-1]) for x in graph.points)
    distances[:, -1], indices[:, -1] = graph.points[0][:, -1], graph.points[1][:, -1]
    return with_lists(graph, distances, indices)


@pytest.mark.parametrize("offset", [0.0, 3000.0, 1e6])
@pytest.mark.parametrize("k", [3, 299])
def test_right_lists_pass(offset, k):
    X = cloud()
    X[:, 3] += np.float32(offset)
    found = audit(X, neighbor_graph(X, k=k), rows=40)
    assert (found.rows, found.differing) == (40, 0)
    assert found.deviation < 1e-14


@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_extreme_sizes_pass(size):
    X = cloud().astype(np.float64) * size
    found = audit(X, neighbor_graph(X, k=10))
    assert found.differing == 0
    assert found.deviation < 1e-14


def test_one_row_far_larger_than_all_others_passes():
    X = cloud().astype(np.float64)
    X[0] *= 1e155
    found = audit(X, neighbor_graph(X, k=10), rows=300)
    assert found.differing == 0
    assert found.deviation < 1e-14


def test_a_missing_neighbour_is_seen_in_every_row():
    X = cloud()
    wrong = swapped(neighbor_graph(X, k=10))
    assert audit(X, wrong, rows=300).differing == 300
    assert audit(X, wrong).differing == audit(X, wrong).rows == 16


def test_one_wrong_list_is_seen_if_it_is_drawn():
    X = cloud()
    right = neighbor_graph(X, k=10)
    distances, indices = (x.copy() for x in right.points)
    wrong = swapped(neighbor_graph(X, k=11))
    distances[7], indices[7] = wrong.points[0][7], wrong.points[1][7]
    assert audit(X, with_lists(right, distances, indices), rows=300).differing == 1


def test_a_wrong_distance_is_measured():
    X = cloud()
    graph = neighbor_graph(X, k=10)
    distances = graph.points[0].copy()
    distances[:, 4] *= 1 + 1e-9
    found = audit(X, with_lists(graph, distances, graph.points[1]))
    assert found.deviation == pytest.approx(1e-9, rel=1e-4)
    assert found.differing == 0


def test_float32_distances_are_seen_as_such():
    X = cloud() + np.float32(10)
    graph = neighbor_graph(X, k=10)
    rounded = graph.points[0].astype(np.float32).astype(np.float64)
    assert 1e-9 < audit(X, with_lists(graph, rounded, graph.points[1])).deviation < 1e-7


def test_repeats_are_audited_as_points():
    X = np.vstack([cloud(), cloud()[:50]])
    found = audit(X, neighbor_graph(X, k=10), rows=350)
    assert (found.rows, found.differing) == (300, 0)
    assert found.deviation < 1e-14


def test_lattices_with_many_ties_pass():
    X = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    assert audit(X, neighbor_graph(X, k=7), rows=216).differing == 0


@pytest.mark.parametrize("k", [2, 10, 150])
def test_groups_and_repeats_between_groups_pass(k):
    X, groups = clumps(np.random.default_rng(0), 50, 4, 0.9)
    X[3] = X[190]  # one point with rows in two groups
    graph = neighbor_graph(X, k=k, groups=groups)
    found = audit(X, graph, rows=200)
    assert found.differing == 0
    assert found.deviation < 1e-14


def test_a_neighbour_of_the_own_group_is_seen():
    X, groups = clumps(np.random.default_rng(0), 50, 4, 0.9)
    graph = neighbor_graph(X, k=10)
    assert audit(X, replace(graph, groups=groups), rows=200).differing > 150


def test_the_seed_draws_the_sample():
    X = cloud()
    right = neighbor_graph(X, k=10)
    distances, indices = (x.copy() for x in right.points)
    distances[::4], indices[::4] = (x[::4] for x in swapped(neighbor_graph(X, k=11)).points)
    found = [audit(X, with_lists(right, distances, indices), seed) for seed in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert len({x.differing for x in found}) > 1


def test_what_cannot_be_audited_is_told():
    X = cloud()
    with pytest.raises(DegenerateError, match="exclude"):
        audit(X, neighbor_graph(X, k=5, exclude=np.arange(300) // 2))
    with pytest.raises(InputError, match="rows must be"):
        audit(X, neighbor_graph(X, k=5), rows=0)
