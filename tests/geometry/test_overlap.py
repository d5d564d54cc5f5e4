"""Overlaps of layers against loops and matrices: ties, groups, all pairs, many k, errors."""

import numpy as np
import pytest
import reference

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import (
    _shared,
    neighbor_graph,
    neighborhood_overlap,
    overlap_matrices,
    overlap_matrix,
)
from layergeom.geometry.uncertainty import row_adjacency

RNG = np.random.default_rng(0)
N = 150
X = RNG.standard_normal((N, 4))
Y = X + 0.5 * RNG.standard_normal((N, 4))
LATTICE = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
GRAPH, OTHER = neighbor_graph(X, 30), neighbor_graph(Y, 30)


# ── two layers ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("k", [1, 5, 30])
def test_overlap_equals_the_reference(k):
    found = neighborhood_overlap(GRAPH, OTHER, k)
    assert found.value == pytest.approx(reference.overlap(X, Y, k), rel=1e-12)
    assert neighborhood_overlap(OTHER, GRAPH, k).value == pytest.approx(found.value, rel=1e-12)
    assert found.chance == k / (N - 1)
    assert (found.k, found.rows, found.left_out) == (k, N, 0)
    assert found.error > 0


def test_a_layer_overlaps_itself_completely():
    """M-ov-self, also with ties and repeats."""
    for points in (X, LATTICE, np.vstack([X, X[:70]])):
        graph = neighbor_graph(points, 7)
        for k in (1, 4, 7):
            assert neighborhood_overlap(graph, graph, k).value == 1


def test_rotation_shift_and_scale_change_no_neighbour():
    """M-ov-rotated: chi(X, XQ) = 1."""
    rotation = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
    for moved in (X @ rotation, 3 * X - 40):
        assert neighborhood_overlap(GRAPH, neighbor_graph(moved, 30)).value == 1


@pytest.mark.parametrize("k", [2, 10, 30])
def test_independent_layers_overlap_by_chance(k):
    graphs = [neighbor_graph(RNG.standard_normal((400, 6)), k) for _ in range(2)]
    found = neighborhood_overlap(*graphs, k)
    assert found.chance == k / 399
    assert abs(found.value - found.chance) < 4 * found.error


def test_every_row_twice_is_itself_permuted():
    """M-ov-dup-self."""
    doubled = np.repeat(X, 2, axis=0)
    order = RNG.permutation(2 * N)
    back = np.argsort(order)
    a, b = neighbor_graph(doubled, 1), neighbor_graph(doubled[order][back], 1)
    assert neighborhood_overlap(a, b, 1).value == 1


@pytest.mark.parametrize("k", [1, 3, 4, 6])
def test_ties_do_not_depend_on_row_order(k):
    """M-ov-ties-permutation."""
    order = RNG.permutation(125)
    other = LATTICE @ np.diag([1.0, 2.0, 1.0])
    value = neighborhood_overlap(neighbor_graph(LATTICE, 6), neighbor_graph(other, 6), k).value
    moved = neighborhood_overlap(
        neighbor_graph(LATTICE[order], 6), neighbor_graph(other[order], 6), k
    ).value
    assert moved == pytest.approx(value, abs=1e-12)
    assert value == pytest.approx(reference.overlap(LATTICE, other, k), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda: neighborhood_overlap(GRAPH, neighbor_graph(X[1:], 30)),
            r"different N \(150 and 149 rows\)",
            id="M-ov-different-N",
        ),
        pytest.param(
            lambda: neighborhood_overlap(GRAPH, neighbor_graph(X, 20), 30),
            "k is 30 but the graph lists 20 neighbours",
            id="M-ov-k-gt-cached",
        ),
        pytest.param(
            lambda: neighborhood_overlap(GRAPH, GRAPH, N), "lists 30", id="M-ov-k-ge-N-cached"
        ),
        pytest.param(lambda: neighbor_graph(X, N), "at most 149", id="M-ov-k-ge-N"),
        pytest.param(
            lambda: neighbor_graph(np.where(np.eye(N, 4) > 0, np.nan, X), 5),
            "NaN values in 4 of 150 rows",
            id="M-ov-nan",
        ),
        pytest.param(
            lambda: neighbor_graph(np.ones((N, 4)), 5), "all 150 rows", id="M-ov-all-equal"
        ),
        pytest.param(lambda: neighborhood_overlap(GRAPH, OTHER, 0), "at least 1", id="k-0"),
        pytest.param(
            lambda: overlap_matrix([GRAPH, neighbor_graph(X[1:], 30)]), "different N", id="matrix"
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises((InputError, DegenerateError), match=message):
        call()


def test_matrix_holds_every_pair():
    graphs = [neighbor_graph(X + s * RNG.standard_normal(X.shape), 10) for s in (0, 0.3, 1, 5)]
    values, errors = overlap_matrix(graphs, 10)
    assert np.array_equal(values, values.T)
    assert np.array_equal(np.diag(values), np.ones(4))
    assert np.isnan(np.diag(errors)).all()
    for i in range(4):
        for j in range(i):
            pair = neighborhood_overlap(graphs[i], graphs[j], 10)
            assert (values[i, j], errors[i, j]) == pytest.approx((pair.value, pair.error))
    assert values[0, 1] > values[0, 2] > values[0, 3]


# ── all layers, many k ────────────────────────────────────────────────────────────────────────


def by_weights(graphs, k):
    """Every pair by the matrices of memberships."""
    members = [graph.weights(k) for graph in graphs]
    return np.array([[a.minimum(b).sum() / (k * a.shape[0]) for b in members] for a in members])


def clouds(kind, layers, seed=0):
    rng = np.random.default_rng(seed)
    base = {"random": X, "lattice": LATTICE, "duplicates": np.repeat(X[:60], 3, axis=0)}[kind]
    moved = [base * rng.integers(1, 3, base.shape[1]) for _ in range(layers)]
    return moved if kind == "lattice" else [m + rng.standard_normal(m.shape) * 0.3 for m in moved]


@pytest.mark.parametrize("kind", ["random", "lattice", "duplicates"])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_all_pairs_equal_the_weighted_comparison(kind, layers):
    graphs = [neighbor_graph(c, 12) for c in clouds(kind, layers)]
    ks = [12, 1, 6, 6]
    values = overlap_matrices(graphs, ks)
    assert values.shape == (4, layers, layers)
    for k, matrix in zip(ks, values, strict=True):
        assert matrix == pytest.approx(by_weights(graphs, k), rel=1e-13)
        assert np.array_equal(matrix, overlap_matrices(graphs, [k])[0])
        assert np.array_equal(matrix, overlap_matrix(graphs, k)[0])
        for i in range(layers):
            for j in range(i):
                pair = neighborhood_overlap(graphs[i], graphs[j], k)
                assert matrix[i, j] == matrix[j, i] == pair.value


def test_a_few_tied_rows_among_many():
    half = np.vstack([LATTICE, 100 + 5 * RNG.standard_normal((300, 3))])
    graphs = [neighbor_graph(half @ np.diag(s), 8) for s in ([1, 1, 1], [1, 2, 1], [3, 1, 1])]
    for k, matrix in zip((3, 8), overlap_matrices(graphs, (3, 8)), strict=True):
        assert matrix == pytest.approx(by_weights(graphs, k), rel=1e-13)
        assert np.array_equal(matrix, overlap_matrix(graphs, k)[0])


@pytest.mark.parametrize("layers", [31, 32, 33, 64, 70])
def test_any_number_of_layers(layers):
    """A word has 32 bits; more layers take several words."""
    rng = np.random.default_rng(layers)
    lists = [np.argsort(rng.random((40, 60)), axis=1)[:, :9] for _ in range(layers)]
    expected = np.array([[(a[:, :, None] == b[:, None, :]).sum() for b in lists] for a in lists])
    np.fill_diagonal(expected, 0)
    assert np.array_equal(_shared.shared_counts(lists, [9], None)[0], expected)


def test_wide_keys_small_blocks_and_old_numpy_count_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    lists = [np.argsort(rng.random((200, 90)), axis=1)[:, :20] for _ in range(7)]
    for x in lists:
        x[::9, -4:] = -1
    expected = _shared.shared_counts(lists, [2, 11, 20], None)
    both = (lists[0][:, :11, None] == lists[5][:, None, :11]) & (lists[0][:, :11, None] >= 0)
    assert expected[1, 0, 5] == both.sum()
    monkeypatch.setattr(_shared, "BLOCK_ENTRIES", 500)
    assert np.array_equal(_shared.shared_counts(lists, [2, 11, 20], None), expected)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert np.array_equal(_shared.shared_counts(lists, [2, 11, 20], None), expected)
    far = [np.where(x >= 0, x + 2**31, -1) for x in lists]
    wide, near = words_of(far, 2**32), words_of(lists, 200)
    assert np.array_equal(wide, near)
    assert np.count_nonzero(near) > 1000


def words_of(lists, n):
    """Words of neighbours that several layers list; missing ones may add empty words."""
    blocks = _shared._sorted_blocks(lists, [20], n)
    words = np.concatenate([runs.words(0) for runs in blocks])
    return words[words & (words - np.uint32(1)) > 0]


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
def test_rows_with_fewer_than_k_neighbours_in_other_groups_are_left_out():
    groups = np.array([0] * (N - 6) + list(range(1, 7)))
    graphs = [neighbor_graph(c, 20, groups=groups) for c in clouds("random", 3)]
    for k, rows, matrix in zip((4, 20), (N, 6), overlap_matrices(graphs, (4, 20)), strict=True):
        members = [graph.weights(k)[N - rows :] for graph in graphs]
        expected = [[a.minimum(b).sum() / (k * rows) for b in members] for a in members]
        np.fill_diagonal(matrix, expected[0][0])
        assert matrix == pytest.approx(np.array(expected), rel=1e-13)
        pair = neighborhood_overlap(graphs[0], graphs[1], k)
        assert pair.value == pytest.approx(expected[0][1], rel=1e-13)
        assert (pair.rows, pair.left_out) == (rows, N - rows)
        assert overlap_matrix(graphs, k)[0][0, 1] == pair.value
        assert (pair.influence[: N - rows] == 0).all()
        assert abs(pair.influence.sum()) < 1e-9


def test_rows_that_are_left_out_are_told():
    groups = np.array([0] * (N - 6) + list(range(1, 7)))
    a, b = (neighbor_graph(c, 20, groups=groups) for c in clouds("random", 2))
    with pytest.warns(GeometryWarning, match=f"{N - 6} rows do not count in the overlap at k = 20"):
        neighborhood_overlap(a, b, 20)


def test_chance_between_groups_is_what_independent_layers_reach():
    groups = np.repeat(np.arange(12), [60, 40, 20, 10, 10, 10, 10, 10, 10, 10, 5, 5])
    n, found = len(groups), []
    for s in range(40):
        rng = np.random.default_rng(s)
        pair = [neighbor_graph(rng.standard_normal((n, 3)), 20, groups=groups) for _ in range(2)]
        found.append(neighborhood_overlap(*pair, 20))
    values = np.array([each.value for each in found])
    sizes = np.bincount(groups)[groups]
    assert found[0].chance == pytest.approx((20 / (n - sizes)).mean(), rel=1e-12)
    assert found[0].chance == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(40))
    assert abs(20 / (n - 1) - values.mean()) > 6 * values.std() / np.sqrt(40)


def test_layers_of_different_groups_are_refused():
    grouped = neighbor_graph(X, 30, groups=np.arange(N) // 2)
    for other in (GRAPH, neighbor_graph(X, 30, groups=np.arange(N) // 3)):
        with pytest.raises(InputError, match="different groups"):
            neighborhood_overlap(grouped, other)


def test_many_k_are_checked():
    with pytest.raises(InputError, match="lists 30"):
        overlap_matrices([GRAPH, OTHER], [5, 31])
    with pytest.raises(InputError, match="different N"):
        overlap_matrices([GRAPH, neighbor_graph(X[1:], 30)], [5])
    assert overlap_matrices([GRAPH, OTHER], []).shape == (0, 2, 2)
    assert overlap_matrices([], [5]).shape == (1, 0, 0)


# ── row by row, and the errors of all pairs ───────────────────────────────────────────────────


@pytest.mark.parametrize("layers", [2, 32, 37])
@pytest.mark.parametrize("old_numpy", [False, True])
def test_shared_neighbours_row_by_row(layers, old_numpy, monkeypatch):
    rng = np.random.default_rng(layers)
    lists = [np.argsort(rng.random((50, 70)), axis=1)[:, :9] for _ in range(layers)]
    for x in lists:
        x[::7, -3:] = -1
    monkeypatch.setattr(_shared, "BLOCK_ENTRIES", 20 * 9 * layers)
    if old_numpy:
        monkeypatch.delattr(np, "bitwise_count", raising=False)
    found = list(_shared.shared_by_row(lists, 8))
    assert len(found) == len({pair[:2] for pair in found}) == layers * (layers - 1) // 2
    for i, j, shared in found:
        a, b = lists[i][:, :8, None], lists[j][:, None, :8]
        assert np.array_equal(shared, ((a == b) & (a >= 0)).sum(axis=(1, 2)))


def errors_by_matrices(graphs, k):
    """Every pair by memberships and the union of both graphs, as in the module of errors."""
    n = graphs[0].n
    errors = np.full((len(graphs), len(graphs)), np.nan)
    for i, a in enumerate(graphs):
        for j, b in enumerate(graphs[:i]):
            shared = np.asarray(a.weights(k).minimum(b.weights(k)).sum(axis=1)).reshape(-1) / k
            psi = shared - shared.mean()
            union = np.eye(n, dtype=bool)
            if a.groups is not None:
                union |= a.groups[:, None] == a.groups
            for listed in (a.indices[:, :k], b.indices[:, :k]):
                rows, places = np.nonzero(listed >= 0)
                union[rows, listed[rows, places]] = union[listed[rows, places], rows] = True
            variance = psi @ union @ psi
            errors[i, j] = errors[j, i] = np.sqrt(variance) / n if variance > 0 else np.nan
    return errors


@pytest.mark.parametrize(
    ("kind", "layers"),
    [("random", 2), ("random", 35), ("lattice", 6), ("duplicates", 6), ("groups", 6)],
)
def test_errors_of_all_pairs_equal_the_double_sums(kind, layers):
    groups = np.arange(N) // 7 if kind == "groups" else None
    moved = clouds("random" if kind == "groups" else kind, layers)
    graphs = [neighbor_graph(c, 12, groups=groups) for c in moved]
    joined = [row_adjacency(graph, 5) for graph in graphs]
    for k in (5, 12):
        expected = errors_by_matrices(graphs, k)
        found = overlap_matrix(graphs, k)[1]
        assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert np.array_equal(
        overlap_matrix(graphs, 5, joined)[1], overlap_matrix(graphs, 5)[1], equal_nan=True
    )
    pair = neighborhood_overlap(graphs[0], graphs[-1], 12)
    assert pair.error == pytest.approx(expected[0, -1], rel=1e-12, nan_ok=True)


def test_a_matrix_of_one_layer_or_none_has_no_error():
    assert [x.shape for x in overlap_matrix([], 5)] == [(0, 0), (0, 0)]
    values, errors = overlap_matrix([GRAPH], 5)
    assert values.tolist() == [[1.0]]
    assert np.isnan(errors).all()
    with pytest.raises(InputError, match="lists 30"):
        overlap_matrix([GRAPH], 31)
