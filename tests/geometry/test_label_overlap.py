"""Overlaps of labels against loops: ties, exclusion, class weights, missing labels."""

import numpy as np
import pytest
import reference

from clouds import embedded
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import NeighborGraph, label_overlap, neighbor_graph

RNG = np.random.default_rng(0)
N = 150
X = RNG.standard_normal((N, 4))
LABELS = RNG.integers(0, 4, N)
LATTICE = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
GRAPH = neighbor_graph(X, 30)


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
    graph = neighbor_graph(X, k if made_so else 40, exclude=family if made_so else None)
    found = label_overlap(graph, superfamily, k, exclude=family, weighting=weighting)
    value, chance, rows = loops(superfamily, k, groups=family, weighting=weighting)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.chance == pytest.approx(chance, abs=1e-12)
    assert found.rows == rows


def test_rows_without_a_group_exclude_nobody():
    superfamily, family = families(np.random.default_rng(1), N)
    partial = [None if i % 4 == 0 else int(f) for i, f in enumerate(family)]
    value, chance, rows = loops(superfamily, 8, groups=partial)
    for graph in (neighbor_graph(X, 8, exclude=partial), neighbor_graph(X, 40)):
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
    graph = neighbor_graph(X, 20, exclude=groups)
    with pytest.warns(GeometryWarning, match=f"{N - 6} rows do not count"):
        found = label_overlap(graph, labels, 20, exclude=groups)
    assert found.rows == 6
    assert found.value == pytest.approx(loops(labels, 20, groups=groups)[0], abs=1e-12)


def test_chance_under_exclusion_is_what_unrelated_points_reach():
    superfamily, family = families(np.random.default_rng(1), 300)
    found = [
        label_overlap(
            neighbor_graph(np.random.default_rng(s).standard_normal((300, 3)), 10, exclude=family),
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
        direct = neighbor_graph(points, k, exclude=g)
        for graph in (direct, neighbor_graph(points, k + 1), neighbor_graph(points, 40)):
            found = label_overlap(graph, c, k, exclude=g)
            assert found.value == pytest.approx(expected, abs=1e-12)


def test_lists_that_are_too_short_for_the_exclusion_are_refused():
    clumped = embedded(RNG, 3, 60, 5)
    groups = np.repeat(np.arange(6), 10)
    clumped += 50 * RNG.standard_normal((6, 5))[groups]
    with pytest.raises(
        InputError, match=r"row 0 lists only 0 neighbours outside .*exclude=exclude"
    ):
        label_overlap(neighbor_graph(clumped, 6), groups % 2, 5, exclude=groups)


def both_left_out(labels, k, groups, family):
    """Value and chance by loops: neighbours outside the group and outside the family."""
    shares, chances = [], []
    for i in range(N):
        others = np.flatnonzero((groups != groups[i]) & (family != family[i]))
        alike = labels[others] == labels[i]
        if alike.any() and len(others) >= k:
            near = np.argsort(reference.distances_from(X, i)[others])[:k]
            shares.append(alike[near].mean())
            chances.append(alike.mean())
    return np.mean(shares), np.mean(chances), len(shares)


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("nested", [False, True])
def test_groups_and_exclusion_go_together(nested):
    """Neighbours are of another group and of another family, however the two cross."""
    superfamily, family = families(np.random.default_rng(1), N)
    groups = family // 2 if nested else np.random.default_rng(3).integers(0, 40, N)
    value, chance, rows = both_left_out(superfamily, 9, groups, family)
    direct = neighbor_graph(X, 9, groups=groups, exclude=family)
    for graph in (direct, neighbor_graph(X, 60, groups=groups)):
        found = label_overlap(graph, superfamily, 9, exclude=family)
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.chance == pytest.approx(chance, abs=1e-12)
        assert found.rows == rows
    expected = reference.standard_error(
        found.influence,
        lambda i, j: (
            groups[i] == groups[j] or j in graph.indices[i, :9] or i in graph.indices[j, :9]
        ),
    )
    assert found.error == pytest.approx(expected, rel=1e-12)


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
