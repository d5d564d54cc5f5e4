"""Neighbour agreement against its definition row by row, under permutation, and its errors."""

import numpy as np
import pytest
from scipy.stats import rankdata

from layergeom.errors import DegenerateError, GeometryWarning, InputError, InputTypeError
from layergeom.geometry import neighbor_graph
from layergeom.geometry.label_agreement import label_agreement

N, K = 150, 8
RNG = np.random.default_rng(3)
X = RNG.standard_normal((N, 3))
Y = X[:, 0] + 0.3 * RNG.standard_normal(N)
PART = np.where(RNG.random(N) < 0.4, Y, np.nan)
TIED = np.round(Y)
GROUPS = np.arange(N) // 3
FAMILY = np.arange(N) % 40


def by_hand(values, k, *partitions):
    """1 − M/E with loops; rows that share a class of a partition are no neighbours."""
    known = np.flatnonzero(~np.isnan(values))
    rank = dict(zip(known, rankdata(values[known]), strict=True))
    near, far = [], []
    for i in known:
        others = [j for j in range(N) if j != i and all(p[i] != p[j] for p in partitions)]
        listed = sorted(others, key=lambda j: np.linalg.norm(X[i] - X[j]))[:k]
        mine = [abs(rank[i] - rank[j]) for j in listed if j in rank]
        if mine:
            near.append(np.mean(mine))
            far.append(np.mean([abs(rank[i] - rank[j]) for j in others if j in rank]))
    return 1 - np.mean(near) / np.mean(far), len(near)


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("values", [Y, PART, TIED])
@pytest.mark.parametrize("partitions", ["", "groups", "exclude", "both"])
def test_equals_its_definition(values, partitions):
    groups = GROUPS if partitions in ("groups", "both") else None
    exclude = FAMILY if partitions in ("exclude", "both") else None
    graph = neighbor_graph(X, K, groups=groups, exclude=exclude)
    found = label_agreement(graph, values, K, exclude=exclude)
    own = [p for p in (groups, exclude) if p is not None]
    value, rows = by_hand(values, K, *own)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.rows == rows
    assert found.left_out == N - rows
    assert found.chance == 0
    assert found.influence.sum() == pytest.approx(0, abs=1e-8)


def test_only_the_order_counts():
    graph = neighbor_graph(X, K)
    found = label_agreement(graph, Y, K)
    for values in (np.exp(5 * Y), 3 * Y - 7, rankdata(Y)):
        again = label_agreement(graph, values, K)
        assert again.value == pytest.approx(found.value, abs=1e-12)
        assert again.error == pytest.approx(found.error, rel=1e-9)
    turned = label_agreement(graph, -Y, K)
    assert turned.value == pytest.approx(found.value, abs=1e-12)


def test_perfect_and_worse_than_chance():
    line = np.arange(100.0)[:, None]
    graph = neighbor_graph(line, 2)
    assert label_agreement(graph, line[:, 0], 2).value == pytest.approx(1 - (202 / 200) * 3 / 101)
    assert label_agreement(graph, np.arange(100) // 50, 2).value > 0.95
    assert label_agreement(graph, np.arange(100) % 2, 1).value < -0.9


def test_clusters_of_one_value_each_agree_perfectly():
    blobs = np.repeat(np.arange(10.0), 12)
    points = 100 * blobs[:, None] + np.random.default_rng(0).random((120, 2))
    found = label_agreement(neighbor_graph(points, 5), blobs, 5)
    assert found.value == 1


@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("values", [Y, PART, TIED])
def test_dealt_at_random_it_is_zero_and_its_error_their_spread(values):
    """The mean of 400 permutations within 3.5 of its own errors; SE within 15 % of the spread."""
    graph, rng = neighbor_graph(X, K), np.random.default_rng(0)
    known = ~np.isnan(values)
    found = []
    for _ in range(400):
        dealt = values.copy()
        dealt[known] = rng.permutation(values[known])
        found.append(label_agreement(graph, dealt, K))
    drawn = np.array([each.value for each in found])
    assert abs(drawn.mean()) < 3.5 * drawn.std(ddof=1) / np.sqrt(len(drawn))
    error = np.sqrt(np.mean([each.error**2 for each in found]))
    assert error == pytest.approx(drawn.std(ddof=1), rel=0.15)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (Y[:-1], InputError, r"shape \(149,\) but there are 150 rows"),
        (np.append(Y[:-1], np.inf), InputError, "infinite"),
        (["a"] * N, InputTypeError, "one number per row"),
        (np.ones(N), DegenerateError, "all numbers that might be compared are equal"),
        (np.full(N, np.nan), DegenerateError, "no labelled row has a labelled one"),
    ],
)
def test_bad_numbers(values, error, message):
    with pytest.raises(error, match=message):
        label_agreement(neighbor_graph(X, K), values, K)


def test_rows_left_out_are_told():
    values = np.where(np.arange(N) < 2, Y, np.nan)
    values[: N // 2] = Y[: N // 2]
    values[np.argmax(np.linalg.norm(X, axis=1))] = 1.0
    with pytest.warns(GeometryWarning, match="rows do not count in the neighbour agreement"):
        label_agreement(neighbor_graph(X, 1), values, 1)


def test_repeated_points_and_groups_are_one_unit():
    """Every row twice in one group: the error of the pairs is that of single rows, not √2 less."""
    doubled = np.repeat(X, 2, axis=0) + 1e-6 * RNG.standard_normal((2 * N, 3))
    single = label_agreement(neighbor_graph(X, K), Y, K)
    groups = np.repeat(np.arange(N), 2)
    both = label_agreement(neighbor_graph(doubled, 2 * K, groups=groups), np.repeat(Y, 2), 2 * K)
    assert both.value == pytest.approx(single.value, abs=0.02)
    assert both.error == pytest.approx(single.error, rel=0.05)


def smooth(rng, n):
    points = rng.standard_normal((n, 3))
    return points, np.sin(points[:, 0]) + 0.3 * rng.standard_normal(n), None


def unlike(rng, n):
    points = rng.standard_normal((n, 3))
    calm = points[:, 0] > 0
    noise = np.where(calm, 0.1, 1.0) * rng.standard_normal(n)
    return points, np.where(calm, points[:, 1], 0.0) + noise, None


def tied_third(rng, n):
    points = rng.standard_normal((n, 4))
    values = np.round(2 * points[:, 0] + rng.standard_normal(n))
    return points, np.where(rng.random(n) < 1 / 3, values, np.nan), None


def nothing(rng, n):
    return rng.standard_normal((n, 10)), rng.standard_normal(n), None


def clumps(rng, n):
    groups = np.arange(n) // 4
    middles = rng.standard_normal((n // 4 + 1, 4))
    values = middles[:, 0] + 0.8 * rng.standard_normal(len(middles))
    points = middles[groups] + 0.15 * rng.standard_normal((n, 4))
    return points, values[groups] + 0.2 * rng.standard_normal(n), groups


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::layergeom.errors.GeometryWarning")
@pytest.mark.parametrize("cloud", [smooth, unlike, tied_third, nothing, clumps])
def test_intervals_hold_the_mean_of_independent_draws(cloud):
    """Between 90 and 98.5 % of 400 intervals of 95 % hold the mean, which 400 draws give."""
    found = []
    for draw in range(400):
        points, values, groups = cloud(np.random.default_rng([draw, 1]), 600)
        found.append(label_agreement(neighbor_graph(points, 15, groups=groups), values, 15))
    drawn, errors = (np.array([getattr(x, name) for x in found]) for name in ("value", "error"))
    inside = np.mean(np.abs(drawn - drawn.mean()) < 1.96 * errors)
    assert 0.90 < inside < 0.985, f"{inside:.3f}"
    if cloud is nothing:
        assert abs(drawn.mean()) < 3.5 * drawn.std(ddof=1) / np.sqrt(len(drawn))
