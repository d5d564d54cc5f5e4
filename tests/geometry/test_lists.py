"""Neighbour lists that somebody else made: accepted as they are, or turned away by name."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from layergeom.errors import InputError, InputTypeError
from layergeom.geometry import (
    NeighborGraph,
    information_imbalance,
    label_overlap,
    local_dimension,
    local_homogeneity,
    neighbor_graph,
    neighborhood_overlap,
    overlap_matrices,
    twonn,
)

X = np.random.default_rng(0).standard_normal((80, 4))
SEARCH = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(X)
D, I = SEARCH.kneighbors()  # noqa: E741
SELF_D, SELF_I = SEARCH.kneighbors(X)


@pytest.mark.parametrize("form", ["M-pre-noself", "M-ov-precomputed-noself", "self"])
def test_lists_of_scikit_learn_give_the_own_graph(form):
    lists, included = ((SELF_D, SELF_I), True) if form == "self" else ((D, I), False)
    graph = NeighborGraph.from_arrays(*lists, self_included=included)
    own = neighbor_graph(X, graph.k)
    assert graph.k == (5 if included else 6)
    assert np.array_equal(graph.indices, own.indices)
    assert np.allclose(graph.distances, own.distances, atol=1e-7)
    assert twonn(graph).value == pytest.approx(twonn(own).value, rel=1e-6)
    assert neighborhood_overlap(graph, own, 5).value == 1


def changed(array, place, value):
    copy = array.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("distances", "indices", "included", "message"),
    [
        pytest.param(D[:, ::-1], I, False, "row 0 are not ascending; sort", id="M-pre-unsorted"),
        pytest.param(changed(D, (3, 0), -0.1), I, False, "row 3 are negative", id="M-pre-negative"),
        pytest.param(
            np.linalg.norm(X[:, None] - X, axis=2),
            np.tile(np.arange(80), (80, 1)),
            False,
            "k < n.* full matrix",
            id="M-pre-square-matrix",
        ),
        pytest.param(
            np.linalg.norm(X[:, None] - X, axis=2),
            np.tile(np.arange(80), (80, 1)),
            True,
            "not ascending",
            id="M-pre-square-matrix-self",
        ),
        pytest.param(
            D,
            changed(I, (9, 2), 10**9),
            False,
            "row 9 are outside 0..79",
            id="M-ov-index-out-of-range",
        ),
        pytest.param(D, changed(I, (9, 2), -1), False, "row 9 are outside", id="negative index"),
        pytest.param(SELF_D, SELF_I, False, "row 0 lists itself; pass", id="self against the flag"),
        pytest.param(D, I, True, "row 0 does not list itself once", id="no self against the flag"),
        pytest.param(D, I[:, :4], False, r"shape \(n, k\), but", id="shapes differ"),
        pytest.param(D, I[:40], False, r"shape \(n, k\), but", id="lengths differ"),
        pytest.param(D, I.astype(float), False, "dtype float64", id="real indices"),
        pytest.param(changed(D, (4, 5), np.nan), I, False, "NaN.*row 4", id="NaN"),
        pytest.param(changed(D, (4, 5), np.inf), I, False, "inf.*row 4", id="infinite"),
        pytest.param(
            D, changed(I, (7, 1), I[7, 0]), False, "row 7 lists the same neighbour", id="repeated"
        ),
        pytest.param(
            SELF_D + np.arange(7)[:6] + 1.0,
            np.roll(SELF_I, 1, axis=1),
            True,
            "at a distance from itself",
            id="self is far",
        ),
    ],
)
def test_what_contradicts_itself_is_turned_away(distances, indices, included, message):
    with pytest.raises(InputError, match=message):
        NeighborGraph.from_arrays(distances, indices, self_included=included)


@pytest.mark.parametrize(
    "asked",
    [
        lambda: neighborhood_overlap(X, X),
        lambda: overlap_matrices([neighbor_graph(X, 3), X], [1]),
        lambda: label_overlap(X, [1] * 80),
        lambda: local_dimension(X),
        lambda: local_homogeneity(X, 2),
        lambda: information_imbalance(X, X),
    ],
)
def test_points_are_no_graph(asked):
    with pytest.raises(InputTypeError, match=r"type ndarray; make it of .* neighbor_graph\(X\)"):
        asked()


def test_rows_at_distance_zero_are_one_point():
    Y = np.vstack([X, X[:10]])
    search = NearestNeighbors(n_neighbors=6, algorithm="kd_tree").fit(Y)
    graph = NeighborGraph.from_arrays(*search.kneighbors(), self_included=False)
    assert graph.n_distinct == 80
    assert np.array_equal(graph.point[80:], np.arange(10))
    own = neighbor_graph(Y, 6)
    listed, indices = graph.points
    assert listed.shape[1] >= 3  # a repeat costs each list at most the places of its rows
    assert np.allclose(listed, own.points[0][:, : listed.shape[1]])
    assert np.array_equal(indices, own.points[1][:, : listed.shape[1]])


def test_lists_full_of_repeats_say_that_they_are_too_short():
    Y = np.repeat(X[:20], 4, axis=0)
    search = NearestNeighbors(n_neighbors=3, algorithm="kd_tree").fit(Y)
    graph = NeighborGraph.from_arrays(*search.kneighbors(), self_included=False)
    with pytest.raises(InputError, match="exceeds the 0 neighbours in the graph; build it"):
        twonn(graph)
