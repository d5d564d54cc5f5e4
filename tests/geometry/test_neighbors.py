"""The neighbour graph: two views of one search, ties, and what is read from it."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import NeighborGraph, neighbor_graph

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
LATTICE = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
SMALL = hnp.arrays(
    np.float64,
    st.tuples(st.integers(4, 14), st.integers(1, 4)),
    elements=st.integers(-4, 4).map(float),
)


def same(a, b):
    """Equal in every list, bit by bit."""
    assert a.distances.tobytes() == b.distances.tobytes()
    assert np.array_equal(a.indices, b.indices)
    assert np.array_equal(a.point, b.point)
    assert {r: sorted(t.tolist()) for r, t in a.ties.items()} == {
        r: sorted(t.tolist()) for r, t in b.ties.items()
    }
    assert (a.distinct_distances is None) == (b.distinct_distances is None)
    if a.distinct_distances is not None:
        assert np.array_equal(a.distinct_distances, b.distinct_distances)
        assert np.array_equal(a.distinct_indices, b.distinct_indices)


def graph_or_none(points, k=2):
    try:
        return neighbor_graph(points, k)
    except DegenerateError:
        assert len(np.unique(points + 0.0, axis=0)) == 1
        return None


@pytest.mark.parametrize("k", [1, 2, 59])
def test_rows_are_exact(k):
    reference.assert_exact(neighbor_graph(X, k), X)


def test_default_k_is_64():
    assert neighbor_graph(RNG.standard_normal((70, 2))).k == 64


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (60, "k is 60 but X has 60 samples; k must be at most 59"),
        (0, "k must be at least 1 but is 0"),
        (-3, "at least 1"),
        (2.5, "whole number"),
    ],
)
def test_k_is_checked(k, message):
    with pytest.raises(InputError, match=message):
        neighbor_graph(X, k)


def test_duplicates_are_rows_at_distance_zero_and_one_distinct_point():
    doubled = np.vstack([X, X[:20], X[:5]])
    graph = neighbor_graph(doubled, 6)
    reference.assert_exact(graph, doubled)
    assert graph.n_distinct == 60
    assert graph.distances[3, :2].tolist() == [0, 0]
    assert graph.indices[3, :2].tolist() == [63, 83]
    assert np.array_equal(graph.representatives, np.arange(60))
    distances, indices = graph.points
    alone = neighbor_graph(X, 6)
    assert np.array_equal(distances, alone.distances)
    assert np.array_equal(indices, alone.indices)


def test_groups_leave_out_the_own_group():
    groups = RNG.integers(0, 8, 60)
    graph = neighbor_graph(X, 9, groups=groups)
    reference.assert_exact(graph, X, groups)
    assert np.array_equal(graph.points[1], graph.indices)


def test_excluded_rows_are_left_out_and_leave_no_dimension():
    classes = RNG.integers(0, 8, 60)
    graph = neighbor_graph(X, 9, exclude=classes)
    reference.assert_exact(graph, X, classes)
    assert graph.groups is None
    with pytest.raises(DegenerateError, match="without exclude"):
        _ = graph.points


def test_rows_without_a_group_are_a_group_of_their_own():
    groups = ["a" if i % 3 else None for i in range(60)]
    graph = neighbor_graph(X, 9, groups=groups)
    alone = np.array([0 if i % 3 else i + 1 for i in range(60)])
    reference.assert_exact(graph, X, alone)


# ── laws ──────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(SMALL, st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_same_neighbourhoods(points, random):
    order = np.array(random.sample(range(len(points)), len(points)))
    graph = graph_or_none(points)
    moved = graph_or_none(points[order])
    if graph is None or moved is None:
        assert graph is moved
        return
    assert np.array_equal(moved.distances, graph.distances[order])
    weights = graph.weights(2).toarray()
    assert np.allclose(moved.weights(2).toarray(), weights[np.ix_(order, order)], atol=1e-15)
    assert moved.n_distinct == graph.n_distinct


@settings(max_examples=60, deadline=None)
@given(SMALL)
def test_small_lattices_equal_full_sorting_with_all_ties(points):
    graph = graph_or_none(points, 3)
    if graph is None:
        return
    distances, indices, ties = reference.neighbors(points, 3)
    assert np.array_equal(graph.distances, distances)
    assert np.array_equal(graph.indices, indices)
    assert {row: sorted(t.tolist()) for row, t in graph.ties.items()} == ties
    assert np.allclose(graph.weights(3).toarray(), reference.memberships(points, 3))


@settings(max_examples=30, deadline=None)
@given(st.integers(-900, 900), st.integers(0, 5))
def test_a_power_of_two_scales_distances_bitwise(power, seed):
    points = np.random.default_rng(seed).standard_normal((40, 3))
    graph, scaled = neighbor_graph(points, 5), neighbor_graph(points * 2.0**power, 5)
    assert np.array_equal(scaled.indices, graph.indices)
    assert scaled.distances.tobytes() == (graph.distances * 2.0**power).tobytes()


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(1, 5))
def test_constant_features_change_nothing(value, width):
    padded = np.hstack([X, np.full((len(X), width), value)])
    floor = 4e-16 * abs(value) * width
    graph, wide = neighbor_graph(X, 5), neighbor_graph(padded, 5)
    assert np.array_equal(wide.indices, graph.indices)
    assert np.allclose(wide.distances, graph.distances, rtol=1e-15, atol=floor)
    assert wide.n_distinct == graph.n_distinct


def test_rotation_shift_and_columns_keep_the_neighbours():
    rotation = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
    graph = neighbor_graph(X, 8)
    for moved in (X @ rotation, X + 17.0, X[:, ::-1]):
        other = neighbor_graph(moved, 8)
        assert np.array_equal(other.indices, graph.indices)
        assert np.allclose(other.distances, graph.distances, rtol=1e-12)


@pytest.mark.parametrize("name", ["fortran", "strided", "reversed", "read-only", "big-endian"])
def test_layout_changes_no_bit_and_the_input_is_left_alone(name):
    wide = RNG.standard_normal((60, 8))
    arrays = {
        "fortran": np.asfortranarray(wide),
        "strided": np.repeat(np.repeat(wide, 2, axis=0), 2, axis=1)[::2, ::2],
        "reversed": wide[::-1, ::-1][::-1, ::-1],
        "read-only": wide.copy(),
        "big-endian": wide.astype(">f8"),
    }
    array = arrays[name]
    array.flags.writeable = False
    before = array.tobytes()
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    same(neighbor_graph(array, 6), neighbor_graph(wide, 6))
    assert array.tobytes() == before
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


# ── weights ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("k", [1, 3, 4, 5, 6])
@pytest.mark.parametrize("repeats", [0, 30])
def test_weights_share_ties(k, repeats):
    points = np.vstack([LATTICE, LATTICE[:repeats]])
    weights = neighbor_graph(points, 6).weights(k).toarray()
    assert np.allclose(weights.sum(axis=1), k)
    assert np.allclose(weights, reference.memberships(points, k))


def test_weights_without_ties_are_the_lists():
    graph = neighbor_graph(X, 9)
    members = np.zeros((60, 60))
    np.put_along_axis(members, graph.indices[:, :4], 1, axis=1)
    assert np.array_equal(graph.weights(4).toarray(), members)


def test_weights_in_groups_leave_empty_places_empty():
    groups = np.array([0] * 5 + [1] * 120)
    weights = neighbor_graph(LATTICE, 6, groups=groups).weights(6).toarray()
    assert np.allclose(weights[:5].sum(axis=1), 6)
    assert np.array_equal(weights[5:].sum(axis=1), np.full(120, 5))


@pytest.mark.parametrize("k", [0, 10, 3.5])
def test_weights_ask_for_no_more_than_is_listed(k):
    with pytest.raises(InputError, match=r"lists 9 neighbours of 60 rows; build it|must be"):
        neighbor_graph(X, 9).weights(k)


@pytest.mark.parametrize("k", [1, 3, 6, 7])
@pytest.mark.parametrize("name", ["lattice", "repeated lattice", "groups", "few admissible"])
def test_tied_rows_are_those_whose_tie_does_not_fit(name, k):
    points, options = MAKERS[name]()
    weights = reference.memberships(points, k, **options)
    shared = np.flatnonzero(((weights > 0) & (weights < 1)).any(axis=1))
    assert np.array_equal(neighbor_graph(points, 7, **options).tied_rows(k), shared)


@pytest.mark.parametrize("k", [0, 7, 2.5, "3"])
def test_checked_k_says_what_the_graph_lists(k):
    graph = neighbor_graph(X, 6)
    for asked in (graph.checked_k, graph.tied_rows):
        with pytest.raises(InputError, match=r"lists 6 neighbours of 60 rows|must be"):
            asked(k)
    assert graph.checked_k(6.0) == 6


# ── nearest, packed, unpacked ─────────────────────────────────────────────────────────────────

MAKERS = {
    "plain": lambda: (X, {}),
    "lattice": lambda: (LATTICE, {}),
    "repeats": lambda: (np.vstack([X, X[:30], X[:4]]), {}),
    "repeated lattice": lambda: (np.vstack([LATTICE, LATTICE[::2]]), {}),
    "groups": lambda: (LATTICE, {"groups": np.arange(125) // 8}),
    "few admissible": lambda: (LATTICE, {"groups": np.arange(125) >= 5}),
    "repeats in groups": lambda: (LATTICE[np.arange(180) % 125], {"groups": np.arange(180) // 8}),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("k", [1, 4, 7])
def test_nearest_equals_a_smaller_search(name, k):
    points, options = MAKERS[name]()
    same(neighbor_graph(points, 7, **options).nearest(k), neighbor_graph(points, k, **options))


def test_nearest_asks_for_no_more_than_is_listed():
    with pytest.raises(InputError, match="lists 5 neighbours"):
        neighbor_graph(X, 5).nearest(6)


@pytest.mark.parametrize("name", MAKERS)
def test_unpacking_gives_the_packed_graph(name):
    points, options = MAKERS[name]()
    graph = neighbor_graph(points, 5, **options)
    packed = graph.packed()
    assert all(isinstance(part, np.ndarray) for part in packed.values())
    same(NeighborGraph.unpacked({key: part.copy() for key, part in packed.items()}), graph)


def test_progress_is_reported():
    calls = []
    neighbor_graph(X, 3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(60, 60)]
