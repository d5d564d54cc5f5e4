"""Permutation levels against chance where it is known, and against slow references."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.errors import DegenerateError
from layergeom.geometry import label_overlap, neighbor_graph, neighborhood_overlap
from layergeom.layer import Labels
from layergeom.tasks.null_permutations import dealt_labels, dealt_rows, label_level, row_level

N, K, DRAWS = 150, 8, 60
RNG = np.random.default_rng(2)
X = RNG.standard_normal((N, 4))
Y = X + 0.5 * RNG.standard_normal((N, 4))
FAMILY = RNG.integers(0, 50, N)  # of unequal sizes
CLASS = FAMILY % 3  # families lie within classes


def near(level, chance):
    assert abs(level.mean - chance) < 3.5 * level.error  # once in 2,000 by accident
    assert level.mean < level.quantile


def test_dealt_rows_reach_chance() -> None:
    a, b = neighbor_graph(X, K), neighbor_graph(Y, K)
    level = row_level(a, b, K, DRAWS)
    near(level, K / (N - 1))
    assert level.quantile < neighborhood_overlap(a, b, K).value
    assert row_level(a, b, K, DRAWS) == level != row_level(a, b, K, DRAWS, seed=1)


def test_dealt_groups_reach_the_chance_of_rows_of_other_groups() -> None:
    a, b = (neighbor_graph(Z, 3 * K, groups=FAMILY) for Z in (X, Y))
    near(row_level(a, b, K, DRAWS), neighborhood_overlap(a, b, K).chance)


def test_siblings_that_lie_together_widen_the_level() -> None:
    family = np.repeat(np.arange(30), 5)
    clump = np.random.default_rng(0).standard_normal((30, 4))[family] + 0.01 * X
    a = neighbor_graph(clump, 4 * K, groups=family)
    loose = neighbor_graph(X, 4 * K, groups=family)
    tight, free = row_level(a, a, K, DRAWS), row_level(loose, loose, K, DRAWS)
    assert tight.quantile - tight.mean > 1.5 * (free.quantile - free.mean)


def test_groups_change_places_as_wholes() -> None:
    order = dealt_rows(np.repeat(np.arange(10), 3), np.random.default_rng(1))
    assert sorted(order) == list(range(30))
    assert all(len(set(part // 3)) == 1 for part in order.reshape(10, 3))
    assert (order != np.arange(30)).any()


@pytest.mark.parametrize("classes", [np.arange(N) % 3, (np.arange(N) > 120) * 1])
def test_dealt_labels_reach_chance_also_of_unequal_classes(classes: np.ndarray) -> None:
    graph = neighbor_graph(X, K)
    found = label_overlap(graph, classes, K)
    near(label_level(graph, Labels(classes), K, DRAWS), found.chance)


@pytest.mark.filterwarnings("ignore:.*do not count")
@pytest.mark.parametrize("groups", [None, FAMILY])
@pytest.mark.parametrize("exclude", [None, RNG.integers(0, 60, N)])
def test_every_draw_is_the_label_overlap_of_dealt_labels(groups, exclude) -> None:
    """Missing labels, loners, unequal groups and families: as the slow way has it."""
    codes = np.where(np.arange(N) % 5 == 0, -1, np.arange(N) % 3)
    codes[3] = 7
    graph = neighbor_graph(X, 4 * K, groups=groups, exclude=exclude)
    units = graph.groups if exclude is None else exclude
    rng = np.random.default_rng(0)
    slow = []
    for _ in range(20):
        dealt = [None if c < 0 else c for c in dealt_labels(codes, units, rng)]
        slow.append(label_overlap(graph, dealt, K, exclude=exclude).value)
    level = label_level(graph, Labels(codes, exclude), K, 20)
    assert level.mean == pytest.approx(np.mean(slow))
    assert level.quantile == pytest.approx(np.quantile(slow, 0.95))


def test_with_families_left_out_labels_are_dealt_among_families() -> None:
    codes = dealt_labels(CLASS, FAMILY, np.random.default_rng(0))
    assert all(len(set(codes[family == FAMILY])) == 1 for family in set(FAMILY))
    graph = neighbor_graph(X, K, exclude=FAMILY)
    level = label_level(graph, Labels(CLASS, FAMILY), K, 200)
    rng = np.random.default_rng(1)  # other draws: classes change their sizes, chance with them
    draws = [dealt_labels(CLASS, FAMILY, rng) for _ in range(200)]
    chances = [label_overlap(graph, draw, K, exclude=FAMILY).chance for draw in draws]
    error = np.hypot(level.error, np.std(chances) / np.sqrt(200))
    assert abs(level.mean - np.mean(chances)) < 3.5 * error


def test_units_of_several_labels_are_dealt_as_wholes_and_gaps_stay_gaps() -> None:
    units = np.repeat(np.arange(5), 4)
    mixed = np.tile([0, 1, 2, 2], 5)
    codes = dealt_labels(mixed, units, np.random.default_rng(0))
    assert sorted(codes) == sorted(mixed)
    gaps = np.array([0, -1, 1, 1, -1, 0])
    assert ((dealt_labels(gaps, None, np.random.default_rng(0)) < 0) == (gaps < 0)).all()


def test_labels_that_nobody_shares_have_no_level() -> None:
    with pytest.raises(DegenerateError, match="another admissible row"):
        label_level(neighbor_graph(X, K), Labels(np.arange(N)), K)
