"""Information imbalance against full ranks, and its two laws."""

import numpy as np
import pytest
import reference

from layergeom.errors import InputError
from layergeom.geometry import imbalance, information_imbalance, neighbor_graph

RNG = np.random.default_rng(0)
N = 120
X = RNG.standard_normal((N, 4))
LATTICE = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
SMALL = np.random.default_rng(5).standard_normal((125, 3))


def ranks(Y):
    """Rank of every other row by full sorting, ties by lower index: (n, n)."""
    n = len(Y)
    found = np.zeros((n, n), dtype=int)
    for i in range(n):
        d = reference.distances_from(Y, i)
        order = sorted((j for j in range(n) if j != i), key=lambda j, d=d: (d[j], j))
        found[i, order] = np.arange(1, n)
    return found


MASSIVE = SMALL * [1, 1, 1e-7] + [1e6, 0, 0]
TARGETS = {
    "random": SMALL,
    "float32": SMALL.astype(np.float32),
    "lattice": LATTICE,
    "repeats": np.repeat(SMALL[:25], 5, axis=0),
    "offset": SMALL + 1e9,
    "massive": MASSIVE,
    "outlier": np.vstack([SMALL[:-1], [[1e12, 0, 0]]]),
    "tiny": SMALL * 1e-20,
    "huge": SMALL * 1e200,
    "all equal but one": np.eye(125, 3)[::-1],
}


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("name", TARGETS)
def test_imbalance_equals_full_ranks(name, k, monkeypatch):
    monkeypatch.setattr(imbalance, "BLOCK_ENTRIES", 2000)
    target = TARGETS[name]
    if name == "offset":
        target = np.round(target)  # exact differences: the reference ranks the same numbers
    graph = neighbor_graph(LATTICE + 0.1 * SMALL, 5)
    found = information_imbalance(graph, target, k)
    wide = target.astype(np.float64) / (1e200 if name == "huge" else 1)
    listed = np.take_along_axis(ranks(wide), graph.indices[:, :k], axis=1)
    assert found.value == pytest.approx(2 / 125 * listed.mean(), rel=1e-14)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    assert (found.k, found.queries) == (k, 125)


@pytest.mark.parametrize("points", [X, LATTICE, np.repeat(X[:40], 3, axis=0)])
def test_identical_layers_reach_the_least_value(points):
    graph = neighbor_graph(points, 6)
    assert information_imbalance(graph, points).value == 2 / len(points)
    five = information_imbalance(graph, points, 5)
    assert five.value == pytest.approx(6 / len(points), rel=1e-14)


def test_independent_layers_reach_one():
    a, b = RNG.standard_normal((2, 600, 5))
    found = information_imbalance(neighbor_graph(a, 3), b, 3)
    assert abs(found.value - 1) < 4 * found.error
    assert 0.01 < found.error < 0.06


def test_a_layer_with_more_tells_more():
    """A plane knows its first coordinate; the coordinate does not know the plane."""
    plane = RNG.standard_normal((400, 2))
    line = plane[:, :1]
    down = information_imbalance(neighbor_graph(plane, 1), line)
    up = information_imbalance(neighbor_graph(line, 1), plane)
    assert down.value + 5 * down.error < up.value


def test_a_sample_of_rows_estimates_the_whole():
    a = RNG.standard_normal((500, 4))
    b = a + 0.5 * RNG.standard_normal(a.shape)
    graph = neighbor_graph(a, 2)
    whole = information_imbalance(graph, b, 2)
    found = [information_imbalance(graph, b, 2, queries=100, seed=s) for s in range(30)]
    values = np.array([f.value for f in found])
    assert abs(values.mean() - whole.value) < 4 * values.std() / np.sqrt(30)
    assert 0.6 < np.mean([f.error for f in found]) / (values.std() / np.sqrt(0.8)) < 1.6
    assert all(f.queries == 100 for f in found)
    assert found[0].value == information_imbalance(graph, b, 2, queries=100).value
    everyone = information_imbalance(graph, b, 2, queries=500)
    assert (everyone.value, everyone.error) == (whole.value, whole.error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: information_imbalance(g, X[1:]), "graph has 120 rows but X has 119"),
        (lambda g: information_imbalance(g, X, 7), "k must be between 1 and 6"),
        (lambda g: information_imbalance(g, X, queries=1), "queries must be between 2 and 120"),
        (lambda g: information_imbalance(g, np.where(np.eye(N, 4), np.nan, X)), "NaN"),
    ],
)
def test_what_cannot_be_ranked_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(neighbor_graph(X, 6))


def test_rows_without_enough_neighbours_in_other_groups_are_refused():
    groups = np.array([0] * (N - 3) + [1, 2, 3])
    with pytest.raises(InputError, match="row 0 has fewer than 6 neighbours outside its group"):
        information_imbalance(neighbor_graph(X, 6, groups=groups), X, 6)
