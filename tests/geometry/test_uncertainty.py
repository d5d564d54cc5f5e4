"""The error rule against double sums, and against the spread over repetitions."""

import gc
import weakref

import numpy as np
import pytest
import reference
import scipy.sparse as sp

from clouds import chords as torus
from layergeom.geometry import (
    gride,
    label_overlap,
    neighbor_graph,
    neighborhood_overlap,
    twonn,
    uncertainty,
)

REPETITIONS = 100
RNG = np.random.default_rng(0)
X = np.random.default_rng(1).standard_normal((60, 3))
GRAPH = neighbor_graph(X, 6)


def neighbours_of_each_other(graph, k):
    listed = graph.indices[:, :k]
    return lambda i, j: j in listed[i] or i in listed[j]


def test_adjacency_joins_neighbours_in_either_direction():
    joined = uncertainty.adjacency(GRAPH, 4).pairs.toarray()
    near = neighbours_of_each_other(GRAPH, 4)
    expected = [[float(i == j or near(i, j)) for j in range(60)] for i in range(60)]
    assert np.array_equal(joined, expected)
    assert np.array_equal(uncertainty.row_adjacency(GRAPH, 4).pairs.toarray(), expected)


def test_adjacency_of_repeats_joins_first_rows_only():
    doubled = neighbor_graph(np.vstack([X[:5], X]), 6)
    joined = uncertainty.adjacency(doubled, 4).pairs.toarray()
    first = doubled.representatives
    assert np.array_equal(
        joined[np.ix_(first, first)], uncertainty.adjacency(GRAPH, 4).pairs.toarray()
    )
    rest = np.setdiff1d(np.arange(65), first)
    assert np.array_equal(joined[rest], np.eye(65)[rest])
    rows = uncertainty.row_adjacency(doubled, 1).pairs.toarray()
    assert rows[0, 5] == rows[5, 0] == 1  # a repeat is a neighbour of its twin


@pytest.mark.parametrize("make", [uncertainty.adjacency, uncertainty.row_adjacency])
def test_a_matrix_in_use_is_shared_and_one_no_longer_used_is_dropped(make):
    graph = neighbor_graph(np.random.default_rng(2).standard_normal((40, 3)), 6)
    joined = make(graph, 4)
    assert make(graph, 4) is joined
    assert make(graph, 3).pairs.nnz < joined.pairs.nnz
    assert make(GRAPH, 4) is not joined
    matrix, of = weakref.ref(joined), weakref.ref(graph)
    del joined
    gc.collect()
    assert matrix() is None
    del graph
    gc.collect()
    assert of() is None


def test_row_adjacency_skips_empty_places():
    graph = neighbor_graph(X, 6, groups=[0] * 57 + [1] * 3)
    joined = uncertainty.row_adjacency(graph, 6).pairs.toarray()
    assert np.array_equal(joined, joined.T)
    assert joined[:57].sum() == 57 + 57 * 3


def test_standard_error_is_the_double_sum():
    influence = RNG.standard_normal(60) + 0.5
    near = neighbours_of_each_other(GRAPH, 4)
    found = uncertainty.standard_error(influence, uncertainty.adjacency(GRAPH, 4))
    assert found == pytest.approx(reference.standard_error(influence, near), rel=1e-12)


def test_a_sum_that_is_not_positive_has_no_root():
    pair = sp.csr_array(np.ones((2, 2)))
    assert np.isnan(uncertainty.standard_error(np.array([1.0, -1.0]), pair))
    assert np.isnan(
        uncertainty.standard_error(np.array([1.0, -1.5]), sp.csr_array([[0, 1], [1, 0]]))
    )
    assert np.isnan(uncertainty.same_point_error(np.zeros(4), np.arange(4)))


def test_same_point_error_sums_within_points():
    influence, point = RNG.standard_normal(30), RNG.integers(0, 12, 30)
    expected = reference.standard_error(influence, lambda i, j: point[i] == point[j])
    assert uncertainty.same_point_error(influence, point) == pytest.approx(expected, rel=1e-12)


def joint_form(a, b, A, B):
    """Return aᵀ(A ∪ B)b by the plain union."""
    return a @ np.maximum(A.pairs.toarray(), B.pairs.toarray()) @ b


@pytest.mark.parametrize("layers", [2, 5, 40])
@pytest.mark.parametrize("rows", [7, 96])
def test_forms_of_two_layers_are_those_of_the_union(layers, rows, monkeypatch):
    """Also where rows come in several blocks and layers take several words."""
    monkeypatch.setattr(uncertainty, "BLOCK_ROWS", rows)
    moved = [X + s * RNG.standard_normal(X.shape) for s in np.linspace(0, 1, layers)]
    joined = [uncertainty.adjacency(neighbor_graph(cloud, 6), 4) for cloud in moved]
    found = uncertainty.JoinedLayers(joined)
    a, b = RNG.standard_normal((2, 60)) + 1
    for i, j in ((0, 1), (layers - 1, 0), (1, 1), (layers - 1, layers // 2)):
        for x, y in ((a, b), (a, a)):
            expected = joint_form(x, y, joined[i], joined[j])
            assert found.form(i, j, x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [2, 32768, 32769, 70000])
def test_pairs_are_joined_in_both_directions_for_any_number_of_rows(n):
    """Up to 32768 rows two row numbers fit 31 bits."""
    rows, columns = np.array([0, n - 1, n - 1, n // 2]), np.array([n - 1, 0, n // 2, n - 1])
    joined = uncertainty.joined_pairs(rows, columns, n)
    off = sp.coo_array(joined - sp.eye_array(n, format="csr"))
    kept = off.data != 0
    found = set(zip(off.row[kept].tolist(), off.col[kept].tolist(), strict=True))
    assert found == {(0, n - 1), (n - 1, 0), (n - 1, n // 2), (n // 2, n - 1)} - {(n // 2, n // 2)}
    assert (joined.data == 1).all()
    assert joined.nnz == n + len(found)


def moved_layers(*steps):
    """Gride at n1 = 2 of a cloud and of the cloud with noise: estimates and what is joined."""
    graphs = [neighbor_graph(X + s * RNG.standard_normal(X.shape), 4) for s in steps]
    return [gride(graph, 2) for graph in graphs], [uncertainty.adjacency(g, 4) for g in graphs]


def test_a_difference_has_the_variance_of_the_difference_of_influences_over_the_union():
    estimates, joined = moved_layers(0, 0.5, 4)
    V = uncertainty.covariance([e.influence for e in estimates], joined)
    assert np.allclose(V, V.T, rtol=1e-12, atol=0)
    assert np.linalg.eigvalsh(V).min() > 1e-6  # nothing was set to zero
    assert np.allclose(np.sqrt(np.diag(V)), [e.error for e in estimates], rtol=1e-12)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        apart = estimates[i].influence - estimates[j].influence
        expected = joint_form(apart, apart, joined[i], joined[j]) / 60**2
        assert V[i, i] + V[j, j] - 2 * V[i, j] == pytest.approx(expected, rel=1e-9)


def test_covariance_of_many_layers_is_semi_definite():
    estimates, joined = moved_layers(0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4)
    V = uncertainty.covariance([e.influence for e in estimates], joined)
    assert np.allclose(V, V.T, rtol=1e-12, atol=0)
    assert np.linalg.eigvalsh(V).min() > -1e-12 * np.trace(V)


def test_layers_alike_in_what_is_smooth_still_differ_by_what_is_not():
    """The graphs hold less of a smooth influence's square than their union of its product."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((600, 3))
    graphs = [neighbor_graph(Y + s * rng.standard_normal(Y.shape), 10) for s in (0, 0.3)]
    influences = [Y[:, 0] + 0.3 * rng.standard_normal(600) for _ in graphs]
    V = uncertainty.covariance(influences, [uncertainty.adjacency(g, 10) for g in graphs])
    error = np.sqrt(V[0, 0] + V[1, 1] - 2 * V[0, 1])
    assert error == pytest.approx(0.3 * np.sqrt(2 / 600), rel=0.15)


def test_a_constant_goes_with_nothing():
    """Its influences are zero; the other layers keep their variance over their own graphs."""
    estimates, joined = moved_layers(0, 0.5, 4)
    influences = [estimates[0].influence, np.zeros(60), estimates[2].influence]
    V = uncertainty.covariance(influences, joined)
    assert np.allclose(V[1], 0, atol=1e-15)
    assert V[0, 0] == pytest.approx(estimates[0].error ** 2, rel=1e-9)


def test_undefined_layers_are_nan_and_the_others_stand():
    joined = [uncertainty.adjacency(GRAPH, 4)] * 3
    influence = gride(GRAPH, 2).influence
    V = uncertainty.covariance([influence, np.full(60, np.nan), influence], joined)
    assert np.isnan(V[1]).all()
    assert np.isnan(V[:, 1]).all()
    assert V[0, 0] == pytest.approx(gride(GRAPH, 2).error ** 2, rel=1e-9)
    assert V[0, 2] == pytest.approx(V[0, 0], rel=1e-9)
    nothing = uncertainty.covariance([np.full(60, np.nan)], joined[:1])
    assert np.isnan(nothing).all()


# ── repetitions ───────────────────────────────────────────────────────────────────────────────


def repetition(seed):
    """Estimates, errors, and the covariance of two layers on the same points."""
    rng = np.random.default_rng(seed)
    Y = torus(rng, 4, 400)
    first = neighbor_graph(Y, 10)
    second = neighbor_graph(Y + 0.15 * rng.standard_normal(Y.shape), 10)
    labels = (Y[:, 0] > 0).astype(int) + 2 * (Y[:, 1] > 0)
    a, b = twonn(first), twonn(second)
    V = uncertainty.covariance(
        [a.influence, b.influence],
        [uncertainty.adjacency(g, 2) for g in (first, second)],
    )
    estimates = {
        "ml": a,
        "linear": twonn(first, "linear"),
        "linear 98": twonn(first, "linear", 0.98),
        "censored": twonn(first, "censored"),
        "gride 4": gride(first, 4),
        "overlap": neighborhood_overlap(first, second, 10),
        "label overlap": label_overlap(first, labels, 10),
    }
    row = {name: (e.value, e.error) for name, e in estimates.items()}
    difference = float(np.sqrt(V[0, 0] + V[1, 1] - 2 * V[0, 1]))
    return row | {"difference": (a.value - b.value, difference)}


@pytest.fixture(scope="module")
def repetitions():
    rows = [repetition(seed) for seed in range(REPETITIONS)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("ml", 0.8, 1.2),
        ("linear", 0.8, 1.2),
        ("linear 98", 0.8, 1.2),
        ("censored", 0.8, 1.2),
        ("gride 4", 0.8, 1.3),
        ("difference", 0.8, 1.2),
        ("overlap", 0.8, 2.0),  # conservative: k neighbours in either layer join rows
        ("label overlap", 0.8, 2.0),
    ],
)
def test_errors_are_the_spread_over_repetitions(repetitions, name, low, high):
    values, errors = repetitions[name].T
    ratio = np.nanmean(errors) / values.std(ddof=1)
    assert low < ratio < high


def test_layers_are_correlated(repetitions):
    """Taken as independent, two layers on the same points would differ by more than they do."""
    error = repetitions["difference"][:, 1].mean()
    assert error < 0.9 * np.sqrt(2) * repetitions["ml"][:, 1].mean()
