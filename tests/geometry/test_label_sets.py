"""Neighbour Jaccard against its definition row by row, its level of chance, and its errors."""

import numpy as np
import pytest

from layergeom.errors import DegenerateError, InputError, InputTypeError
from layergeom.geometry import label_overlap, label_sets, neighbor_graph
from layergeom.geometry.label_sets import jaccards, label_table, neighbor_jaccard

N, K = 140, 7
RNG = np.random.default_rng(4)
X = RNG.standard_normal((N, 3))
P = 1 / (1 + np.exp(-2 * X[:, [0, 1, 2, 0]] + np.array([0, 1, 2, -1])))
FULL = [set(map(str, np.flatnonzero(row))) | {"root"} for row in RNG.random((N, 4)) < P]
PART = [names if there else None for names, there in zip(FULL, RNG.random(N) < 0.5, strict=True)]
GROUPS = np.arange(N) // 3
FAMILY = np.arange(N) % 40


def jaccard(a, b):
    return len(a & b) / len(a | b)


def by_hand(sets, k, *partitions):
    near, far = [], []
    known = [i for i in range(N) if sets[i]]
    for i in known:
        others = [j for j in range(N) if j != i and all(p[i] != p[j] for p in partitions)]
        listed = sorted(others, key=lambda j: np.linalg.norm(X[i] - X[j]))[:k]
        mine = [jaccard(sets[i], sets[j]) for j in listed if sets[j]]
        if mine:
            near.append(np.mean(mine))
            far.append(np.mean([jaccard(sets[i], sets[j]) for j in others if sets[j]]))
    return np.mean(near), np.mean(far), len(near)


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("sets", [FULL, PART])
@pytest.mark.parametrize("partitions", ["", "groups", "exclude", "both"])
def test_equals_its_definition(sets, partitions):
    groups = GROUPS if partitions in ("groups", "both") else None
    exclude = FAMILY if partitions in ("exclude", "both") else None
    graph = neighbor_graph(X, K, groups=groups, exclude=exclude)
    found = neighbor_jaccard(graph, sets, K, exclude=exclude)
    own = [p for p in (groups, exclude) if p is not None]
    value, chance, rows = by_hand(sets, K, *own)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.chance == pytest.approx(chance, abs=1e-12)
    assert (found.rows, found.left_out) == (rows, N - rows)


def test_chance_of_random_pairs_is_that_of_all_pairs(monkeypatch):
    graph = neighbor_graph(X, K, groups=GROUPS)
    exact = neighbor_jaccard(graph, FULL, K).chance
    monkeypatch.setattr(label_sets, "PAIRS", 15_000)  # of 19,600, drawn with repeats
    drawn = neighbor_jaccard(graph, FULL, K).chance
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * 0.3 / np.sqrt(15_000))


def test_one_label_per_row_is_the_label_overlap():
    classes = RNG.integers(3, size=N)
    graph = neighbor_graph(X, K)
    found = neighbor_jaccard(graph, [[c] for c in classes], K)
    wanted = label_overlap(graph, classes, K)
    assert found.value == pytest.approx(wanted.value, abs=1e-12)
    assert found.chance == pytest.approx(wanted.chance, abs=1e-12)


def test_equal_sets_everywhere():
    found = neighbor_jaccard(neighbor_graph(X, K), [{"a", "b"}] * N, K)
    assert (found.value, found.chance) == (1, 1)
    assert np.isnan(found.error)


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("sets", [FULL, PART])
def test_dealt_at_random_it_is_chance(sets):
    """The mean of 100 permutations lies within 3.5 of its own errors."""
    graph, rng = neighbor_graph(X, K), np.random.default_rng(0)
    known = [i for i in range(N) if sets[i]]
    found = []
    for _ in range(100):
        dealt = list(sets)
        for i, j in zip(known, rng.permutation(known), strict=True):
            dealt[i] = sets[j]
        found.append(neighbor_jaccard(graph, dealt, K))
    gaps = np.array([each.value - each.chance for each in found])
    assert abs(gaps.mean()) < 3.5 * gaps.std(ddof=1) / np.sqrt(len(gaps))


def test_many_labels_are_held_sparsely():
    rng = np.random.default_rng(0)
    sets = [set(map(str, rng.integers(5_000, size=40))) for _ in range(300)]
    table, names = label_table(sets, 300)
    assert table.nnz == sum(map(len, sets))
    assert list(names) == sorted(set().union(*sets))
    i, j = rng.integers(300, size=(2, 500))
    wanted = [jaccard(sets[a], sets[b]) for a, b in zip(i, j, strict=True)]
    np.testing.assert_allclose(jaccards(table, i, j), wanted)


@pytest.mark.parametrize(
    ("sets", "error", "message"),
    [
        (FULL[:-1], InputError, "length 139 but there are 140 rows"),
        (["a"] * N, InputTypeError, "a list or a set, not 'a'"),
        ([3] * N, InputTypeError, "a list or a set, not 3"),
        ([None] * N, DegenerateError, "no labelled row has a labelled one"),
    ],
)
def test_bad_sets(sets, error, message):
    with pytest.raises(error, match=message):
        neighbor_jaccard(neighbor_graph(X, K), sets, K)


def blobs(rng, n):
    middles = 3 * np.random.default_rng(1).standard_normal((12, 6))
    at = rng.integers(12, size=n)
    sets = [{f"f{a}", f"c{a // 4}"} | ({"x"} if rng.random() < 0.3 else set()) for a in at]
    return middles[at] + rng.standard_normal((n, 6)), sets


def third(rng, n):
    points, sets = blobs(rng, n)
    return points, [names if rng.random() < 1 / 3 else None for names in sets]


def smooth(rng, n):
    points = rng.standard_normal((n, 3))
    odds = np.exp(2 * points[:, [0, 1, 2, 0]] - np.array([0, 1, 2, -1]))
    return points, [set(np.flatnonzero(x)) or None for x in rng.random((n, 4)) < odds / (1 + odds)]


def nothing(rng, n):
    shares = np.array([0.6, 0.4, 0.2, 0.1, 0.1, 0.05])
    sets = [set(np.flatnonzero(x)) or None for x in rng.random((n, 6)) < shares]
    return rng.standard_normal((n, 5)), sets


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("cloud", [blobs, third, smooth, nothing])
def test_intervals_hold_the_mean_of_independent_draws(cloud):
    """Between 90 and 98.5 % of 400 intervals of 95 % hold the mean, which 400 draws give."""
    found = []
    for draw in range(400):
        points, sets = cloud(np.random.default_rng([draw, 1]), 600)
        found.append(neighbor_jaccard(neighbor_graph(points, 15), sets, 15))
    drawn, errors = (np.array([getattr(x, name) for x in found]) for name in ("value", "error"))
    inside = np.mean(np.abs(drawn - drawn.mean()) < 1.96 * errors)
    assert 0.90 < inside < 0.985, f"{inside:.3f}"
    if cloud is nothing:
        gaps = drawn - np.array([each.chance for each in found])
        assert abs(gaps.mean()) < 3.5 * gaps.std(ddof=1) / np.sqrt(len(gaps))
