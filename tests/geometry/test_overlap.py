"""Overlaps of layers and of labels against loops, with ties, exclusion and class weights."""

import numpy as np
import pytest
import reference
from manifolds import embedded

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import (
    NeighborGraph,
    _shared,
    label_overlap,
    neighbor_graph,
    neighborhood_overlap,
    overlap_matrices,
    overlap_matrix,
)

RNG = np.random.default_rng(0)
N = 150
X = RNG.standard_normal((N, 4))
Y = X + 0.5 * RNG.standard_normal((N, 4))
LABELS = RNG.integers(0, 4, N)
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
    counted = next(_shared._listed_by(far, _shared._Layout(7, (20,), True, 2**32)))
    near = next(_shared._listed_by(lists, _shared._Layout(7, (20,), True, 200)))
    several = [words[words & (words - np.uint32(1)) > 0] for words in (counted, near)]
    assert np.array_equal(*several)
    assert len(several[0]) > 1000


def test_neighbours_from_other_groups_may_be_fewer_than_k():
    groups = np.array([0] * (N - 6) + list(range(1, 7)))
    graphs = [neighbor_graph(c, 20, groups=groups) for c in clouds("random", 3)]
    for k, matrix in zip((4, 20), overlap_matrices(graphs, (4, 20)), strict=True):
        expected = by_weights(graphs, k)
        np.fill_diagonal(expected, 1)
        assert matrix == pytest.approx(expected, rel=1e-13)


def test_many_k_are_checked():
    with pytest.raises(InputError, match="lists 30"):
        overlap_matrices([GRAPH, OTHER], [5, 31])
    with pytest.raises(InputError, match="different N"):
        overlap_matrices([GRAPH, neighbor_graph(X[1:], 30)], [5])
    assert overlap_matrices([GRAPH, OTHER], []).shape == (0, 2, 2)
    assert overlap_matrices([], [5]).shape == (1, 0, 0)


# ── labels ────────────────────────────────────────────────────────────────────────────────────


def loops(labels, k, **options):
    return reference.label_overlap(X, list(labels), k, **options)


@pytest.mark.parametrize("k", [1, 10, 30])
@pytest.mark.parametrize("weighting", ["row", "class"])
def test_label_overlap_equals_the_loops(k, weighting):
    """M-lab-random."""
    uneven = np.where(LABELS == 3, 0, LABELS)
    found = label_overlap(GRAPH, uneven, k, weighting=weighting)
    value, chance, rows = loops(uneven, k, weighting=weighting)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.chance == pytest.approx(chance, abs=1e-12)
    assert (found.rows, found.left_out) == (rows, 0)


def test_chance_is_the_share_of_pairs_with_equal_labels():
    sizes = np.bincount(LABELS)
    expected = (sizes * (sizes - 1)).sum() / (N * (N - 1))
    assert label_overlap(GRAPH, LABELS, 10).chance == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([str(v) for v in LABELS], id="M-lab-numeric-strings"),
        pytest.param(LABELS.tolist(), id="M-lab-list"),
        pytest.param(LABELS.astype(float), id="M-lab-float-whole"),
        pytest.param([f"class {9 - v}" for v in LABELS], id="renamed"),
    ],
)
def test_names_of_classes_do_not_count(labels):
    assert label_overlap(GRAPH, labels).value == label_overlap(GRAPH, LABELS).value


def test_missing_labels_leave_their_row_out_and_never_match():
    partial = [None if i % 5 == 0 else int(c) for i, c in enumerate(LABELS)]
    with pytest.warns(GeometryWarning, match="30 rows do not count .* no label"):
        found = label_overlap(GRAPH, partial, 10)
    value, chance, rows = loops(partial, 10)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.chance == pytest.approx(chance, abs=1e-12)
    assert (found.rows, found.left_out) == (rows, 30) == (120, 30)
    assert (found.influence[::5] == 0).all()


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.7])
def test_class_fraction_compares_a_share_of_each_class(fraction):
    uneven = np.minimum(LABELS**2, 5)
    graph = neighbor_graph(X, 60)
    for weighting in ("row", "class"):
        found = label_overlap(graph, uneven, weighting=weighting, class_fraction=fraction)
        value, chance, _ = loops(uneven, 1, fraction=fraction, weighting=weighting)
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.chance == pytest.approx(chance, abs=1e-12)


def families(rng, n):
    """Families of 1 to 12 nested in 5 superfamilies."""
    family = np.sort(rng.integers(0, n // 4, n))
    return family % 5, family


@pytest.mark.parametrize("k", [1, 5, 12])
@pytest.mark.parametrize("made_so", [True, False])
@pytest.mark.parametrize("weighting", ["row", "class"])
def test_excluded_groups_equal_the_loops(k, made_so, weighting):
    superfamily, family = families(np.random.default_rng(1), N)
    graph = neighbor_graph(X, k if made_so else 40, groups=family if made_so else None)
    found = label_overlap(graph, superfamily, k, exclude=family, weighting=weighting)
    value, chance, rows = loops(superfamily, k, groups=family, weighting=weighting)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.chance == pytest.approx(chance, abs=1e-12)
    assert found.rows == rows


def test_rows_without_a_group_exclude_nobody():
    superfamily, family = families(np.random.default_rng(1), N)
    partial = [None if i % 4 == 0 else int(f) for i, f in enumerate(family)]
    value, chance, rows = loops(superfamily, 8, groups=partial)
    for graph in (neighbor_graph(X, 8, groups=partial), neighbor_graph(X, 40)):
        found = label_overlap(graph, superfamily, 8, exclude=partial)
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.chance == pytest.approx(chance, abs=1e-12)
        assert found.rows == rows


def test_rows_without_a_match_outside_their_group_are_left_out():
    superfamily, family = families(np.random.default_rng(1), N)
    family[:10] = 1000  # the only family of its superfamily
    superfamily[:10] = 9
    with pytest.warns(GeometryWarning, match="10 rows do not count"):
        found = label_overlap(GRAPH, superfamily, 5, exclude=family)
    assert (found.rows, found.left_out) == (N - 10, 10)
    assert found.value == pytest.approx(loops(superfamily, 5, groups=family)[0], abs=1e-12)


def test_rows_with_too_few_admissible_neighbours_are_left_out():
    groups = np.array([0] * (N - 6) + list(range(1, 7)))
    labels = np.arange(N) % 2
    graph = neighbor_graph(X, 20, groups=groups)
    with pytest.warns(GeometryWarning, match=f"{N - 6} rows do not count"):
        found = label_overlap(graph, labels, 20, exclude=groups)
    assert found.rows == 6
    assert found.value == pytest.approx(loops(labels, 20, groups=groups)[0], abs=1e-12)


def test_chance_under_exclusion_is_what_unrelated_points_reach():
    superfamily, family = families(np.random.default_rng(1), 300)
    found = [
        label_overlap(
            neighbor_graph(np.random.default_rng(s).standard_normal((300, 3)), 10, groups=family),
            superfamily,
            10,
            exclude=family,
        )
        for s in range(20)
    ]
    values = np.array([f.value for f in found])
    assert found[0].chance == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(20))
    plain = np.mean(superfamily[:, None] == superfamily)
    assert abs(plain - values.mean()) > 6 * values.std() / np.sqrt(20)  # the usual chance is wrong


@pytest.mark.parametrize("k", [2, 3, 5])
def test_ties_are_shared_under_exclusion_too(k):
    """Whichever way the excluded neighbours are left out, and in any order of the rows."""
    labels, groups = np.random.default_rng(2).integers(0, 2, 125), np.arange(125) // 2
    weights = reference.memberships(LATTICE, k, groups)
    expected = (weights * (labels[:, None] == labels)).sum(axis=1).mean() / k
    order = RNG.permutation(125)
    for points, c, g in ((LATTICE, labels, groups), (LATTICE[order], labels[order], groups[order])):
        direct = neighbor_graph(points, k, groups=g)
        for graph in (direct, neighbor_graph(points, k + 1), neighbor_graph(points, 40)):
            found = label_overlap(graph, c, k, exclude=g)
            assert found.value == pytest.approx(expected, abs=1e-12)


def test_lists_that_are_too_short_for_the_exclusion_are_refused():
    clumped = embedded(RNG, 3, 60, 5)
    groups = np.repeat(np.arange(6), 10)
    clumped += 50 * RNG.standard_normal((6, 5))[groups]
    with pytest.raises(InputError, match=r"row 0 lists only 0 neighbours outside .*groups=exclude"):
        label_overlap(neighbor_graph(clumped, 6), groups % 2, 5, exclude=groups)


def test_a_twin_with_another_label_is_the_only_neighbour():
    """M-lab-dup-self."""
    doubled = neighbor_graph(np.repeat(X, 2, axis=0), 1)
    assert label_overlap(doubled, np.tile([0, 1], N), 1).value == 0


def test_singletons_cannot_be_matched_and_are_said_to_be_left_out():
    """M-lab-singletons."""
    labels = LABELS.copy()
    labels[:40] = 100 + np.arange(40)
    with pytest.warns(GeometryWarning, match="40 rows do not count .* no other row with their"):
        found = label_overlap(GRAPH, labels, 10, weighting="class")
    assert (found.rows, found.left_out) == (N - 40, 40)
    assert found.value == pytest.approx(loops(labels, 10, weighting="class")[0], abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        pytest.param(LABELS[1:], {}, "length 149", id="M-lab-wrong-length-short"),
        pytest.param(np.append(LABELS, 1), {}, "length 151", id="M-lab-wrong-length-long"),
        pytest.param(LABELS / 10 + 0.1, {}, "real numbers, not classes", id="M-lab-float"),
        pytest.param(None, {}, r"missing \(None\)", id="M-lab-none"),
        pytest.param(np.eye(4)[LABELS], {}, r"shape \(150, 4\)", id="M-lab-2d-onehot"),
        pytest.param(LABELS, {"k": N}, "between 1 and 149 but is 150", id="M-lab-k-ge-N"),
        pytest.param(LABELS, {"k": 31}, "lists 30 neighbours", id="k-gt-listed"),
        pytest.param(LABELS, {"k": -3}, "between 1 and 149 but is -3", id="M-lab-k-neg"),
        pytest.param(LABELS, {"weighting": "macro"}, "'row' or 'class'", id="weighting"),
        pytest.param(LABELS, {"class_fraction": 0}, r"lie in \(0, 1\]", id="fraction"),
        pytest.param(LABELS, {"exclude": [1, 2]}, "exclude have length 2", id="exclude"),
        pytest.param([None] * N, {}, "no row has a label", id="all missing"),
        pytest.param(np.arange(N), {}, "no row has a label, a possible match", id="all single"),
    ],
)
def test_labels_and_options_are_checked(labels, options, message):
    with pytest.raises((InputError, DegenerateError), match=message):
        label_overlap(GRAPH, labels, **options)


def test_a_whole_float_k_is_accepted():
    """M-lab-k-float."""
    assert label_overlap(GRAPH, LABELS, 30.0).value == label_overlap(GRAPH, LABELS, 30).value


def test_separated_classes_overlap_completely():
    apart = neighbor_graph(X + 100 * np.eye(4)[LABELS], 20)
    found = label_overlap(apart, LABELS, 20)
    assert found.value == 1
    assert np.isnan(found.error)  # nothing varies: not known, never 0


def test_precomputed_lists_serve_as_well():
    graph = NeighborGraph.from_arrays(GRAPH.distances, GRAPH.indices, self_included=False)
    assert label_overlap(graph, LABELS, 10).value == label_overlap(GRAPH, LABELS, 10).value
