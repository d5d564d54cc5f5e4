"""Local dimension: against the formula by loops, its law, groups, and the rule of outliers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from clumps import clumps
from manifolds import flat_torus_graph, poisson_distances

from clouds import gauss
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import NeighborGraph, local_dimension, neighbor_graph, outliers


def exact_graph(rng, d, n, k):
    """A graph whose distances are those of n independent processes; its indices mean nothing."""
    graph = neighbor_graph(rng.random((n, 2)), k)
    distances = poisson_distances(rng, d, n, k)
    return replace(graph, distances=distances, distinct_distances=distances)


def test_values_are_those_of_the_formula():
    X = np.random.default_rng(0).standard_normal((60, 4))
    found = local_dimension(neighbor_graph(X, k=12), 7)
    for i in range(60):
        r = np.sort(np.linalg.norm(X - X[i], axis=1))[1:8]
        slow = 1 / (sum(math.log(r[6] / r[j]) for j in range(6)) / 6)
        assert found.values[i] == pytest.approx(slow, rel=1e-10)
        assert found.errors[i] == pytest.approx(slow / math.sqrt(6), rel=1e-10)
    assert found.k == 7


@pytest.mark.parametrize(("d", "k"), [(2, 5), (10, 30)])
def test_values_follow_their_law(d, k):
    """(k - 1) d / value is Gamma(k - 1): mean of the inverse, and of the value itself."""
    found = local_dimension(exact_graph(np.random.default_rng(k), d, 4000, k), k).values
    assert (1 / found).mean() == pytest.approx(1 / d, rel=4 / math.sqrt(4000 * (k - 1)))
    scatter = 1 / math.sqrt(k - 3)  # of one value, relative
    expected = (k - 1) / (k - 2)
    assert found.mean() / d == pytest.approx(expected, rel=4 * scatter / math.sqrt(4000))


def test_intervals_hold_the_dimension():
    k = 30
    found = local_dimension(flat_torus_graph(np.random.default_rng(0), 5, 3000, k), k)
    inside = np.abs(found.values - 5) < 1.96 * found.errors
    assert 0.93 < inside.mean() < 0.97


def test_density_does_not_matter_but_dimension_does():
    rng = np.random.default_rng(0)
    plane, line = np.zeros((2000, 6)), np.zeros((1000, 6))
    plane[:, :4], line[:, 0] = rng.random((2000, 4)), 50 + 1e-3 * rng.random(1000)
    found = local_dimension(neighbor_graph(np.vstack([plane, line]), k=30), 30).values
    assert 1 / np.mean(1 / found[2000:]) == pytest.approx(1, rel=0.05)
    assert 1 / np.mean(1 / found[:2000]) == pytest.approx(4, rel=0.15)  # its boundary reads low


def test_repeats_have_the_value_of_their_point():
    X = gauss(np.random.default_rng(0), 4, 200)
    once = local_dimension(neighbor_graph(X, k=15), 10)
    twice = local_dimension(neighbor_graph(np.vstack([X, X[:50]]), k=15), 10)
    np.testing.assert_array_equal(twice.values[:200], once.values)
    np.testing.assert_array_equal(twice.values[200:], once.values[:50])


def test_a_lattice_has_none_and_a_tie_is_unknown():
    distances, indices = np.ones((5, 3)), (np.arange(5)[:, None] + [1, 2, 3]) % 5
    with pytest.raises(DegenerateError, match="lattice"):
        local_dimension(NeighborGraph.from_arrays(distances, indices, self_included=False), 3)
    distances[:, 2] = [1.0, 2.0, 2.0, 2.0, 2.0]
    graph = NeighborGraph.from_arrays(distances, indices, self_included=False)
    found = local_dimension(graph, 3)
    assert np.isnan(found.values).tolist() == [True, False, False, False, False]
    assert np.isnan(found.errors[0])
    assert found.values[1] == pytest.approx(2 / (2 * math.log(2)))


def test_groups_of_clumps_keep_the_dimension():
    """Rows of one other group come together; ranks count groups, and all rows inside are used."""
    X, groups = clumps(np.random.default_rng(0), 400, 5, 0.9, d=3)
    graph = neighbor_graph(X, k=64, groups=groups)
    found = local_dimension(graph, 6)
    counts = (graph.unit_ranks < 6).sum(axis=1)
    mean = counts.sum() / (counts / found.values[graph.representatives]).sum()
    assert mean == pytest.approx(3, rel=0.1)
    assert (counts > 5).any()
    np.testing.assert_allclose(found.errors, found.values / math.sqrt(5))


def test_wrong_k_is_told():
    graph = neighbor_graph(np.random.default_rng(0).random((30, 2)), k=5)
    with pytest.raises(InputError, match="k must be at least 3"):
        local_dimension(graph, 2)
    with pytest.raises(InputError, match="rank n2 = 6 exceeds the 5"):
        local_dimension(graph, 6)


# ── outliers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [2, 10])
def test_even_clouds_have_no_outliers(d):
    graph = flat_torus_graph(np.random.default_rng(d), d, 3000, 30)
    assert len(outliers(graph, local_dimension(graph, 30))) <= 1


def planted():
    rng = np.random.default_rng(2)
    X = np.zeros((1000, 12))
    X[:, :8] = rng.random((1000, 8))
    X[5] += 30
    X[900:] = 0
    X[900:, 0] = 100 + 1e-4 * rng.random(100)  # a line among eight dimensions
    return X


def test_planted_outliers_are_named_with_their_reason():
    X = planted()
    graph = neighbor_graph(X, k=20)
    ids = [f"row-{i}" for i in range(len(X))]
    found = outliers(graph, local_dimension(graph, 20), ids)
    by_row = {x.row: x for x in found}
    assert by_row[5].reason == "far, high dimension"
    assert by_row[5].id == "row-5"
    line = [by_row[row].reason for row in range(900, 1000) if row in by_row]
    assert len(line) > 90
    assert set(line) == {"low dimension"}
    assert len(found) == 1 + len(line)


def test_repeats_of_an_outlier_are_outliers_and_rows_are_in_order():
    X = np.vstack([planted(), planted()[5:6]])
    graph = neighbor_graph(X, k=20)
    far = [x.row for x in outliers(graph, local_dimension(graph, 20)) if "far" in x.reason]
    assert far == [5, 1000]


def test_ids_are_as_many_as_rows():
    graph = neighbor_graph(np.random.default_rng(0).random((30, 2)), k=5)
    with pytest.raises(InputError, match="2 ids but 30 rows"):
        outliers(graph, local_dimension(graph, 5), ["a", "b"])
