"""Approximate neighbour lists: true distances, and a measure of what they miss."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from clouds import embedded
from layergeom.errors import InputError
from layergeom.geometry import _plain, approximate, gride, neighbor_graph
from layergeom.geometry.approximate import ApproximatePoints
from layergeom.geometry.recall import measured_recall

RNG = np.random.default_rng(3)
CLOUD = embedded(RNG, 6, 2000, 24).astype(np.float32)


@pytest.fixture(autouse=True)
def library(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def forgetful(monkeypatch):
    """An index that proposes all rows, but those whose sum with the row's own number is 0 mod 7."""

    def proposed(cloud, _wanted):
        n = len(cloud.X)
        rows = np.arange(n)
        yield 0, [rows[(rows + row) % 7 > 0] for row in rows]

    monkeypatch.setattr(approximate, "_proposed", proposed)


@pytest.mark.parametrize("offset", [0, 3000])
def test_what_is_listed_has_the_distances_of_the_exact_lists(offset):
    """Of float32 rows far from the origin too, whose products would err."""
    X = CLOUD + np.float32(offset)
    found, exact = neighbor_graph(ApproximatePoints(X), 20), neighbor_graph(X, 20)
    same = found.indices == exact.indices
    assert same.mean() > 0.98
    # the compiled search adds squares in another order
    np.testing.assert_allclose(found.distances[same], exact.distances[same], rtol=1e-14)
    direct = np.linalg.norm(X[found.indices[7]].astype(float) - X[7].astype(float), axis=1)
    np.testing.assert_allclose(found.distances[7], direct, rtol=1e-14)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (found.indices != np.arange(len(X))[:, None]).all()


def test_repeated_rows_and_ties_are_those_of_the_exact_graph():
    X = np.vstack([CLOUD[:300], CLOUD[:40], CLOUD[:40]])
    found, exact = neighbor_graph(ApproximatePoints(X), 10), neighbor_graph(X, 10)
    np.testing.assert_array_equal(found.point, exact.point)
    np.testing.assert_allclose(found.points[0][:, :2], exact.points[0][:, :2], rtol=1e-14)
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2)
    tied = neighbor_graph(ApproximatePoints(grid), 4)
    wanted = neighbor_graph(grid, 4)
    np.testing.assert_array_equal(tied.distances, wanted.distances)
    inner = 40  # in the middle of the grid: four at distance 1, and no fifth
    assert tied.indices[inner].tolist() == wanted.indices[inner].tolist()
    assert set(tied.ties) <= set(wanted.ties)


def test_rows_of_a_group_are_no_neighbours_and_full_lists_are_found():
    groups = np.repeat(np.arange(20), 100)
    X = CLOUD + np.float32(4) * RNG.standard_normal((20, 24)).astype(np.float32)[groups]
    found = neighbor_graph(ApproximatePoints(X), 10, groups=groups)
    exact = neighbor_graph(X, 10, groups=groups)
    assert (groups[found.indices] != groups[:, None]).all()
    assert np.isfinite(found.distances).all()
    assert (found.indices == exact.indices).mean() > 0.9


def test_recall_is_the_share_that_brute_force_finds_missing(forgetful):
    X = CLOUD[:700]
    graph = neighbor_graph(ApproximatePoints(X), 16)
    distances = np.sqrt(((X[:, None].astype(float) - X[None]) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    true = np.argsort(distances, axis=1)[:, :16]
    listed = np.array([np.isin(a, b).mean() for a, b in zip(true, graph.indices, strict=True)])
    told = measured_recall(X, graph, rows=700)
    assert told.value == pytest.approx(listed.mean(), abs=1e-12)
    assert told.value == pytest.approx(6 / 7, abs=0.01)
    assert told.low < told.value < told.high
    assert told.nearest_two == pytest.approx(np.isin(true[:, :2], -1).mean() + 36 / 49, abs=0.04)


def test_bias_is_that_of_the_dimension_of_the_same_rows(forgetful):
    X = CLOUD[:700]
    listed, exact = neighbor_graph(ApproximatePoints(X), 16), neighbor_graph(X, 16)
    told = measured_recall(X, listed, rows=700)
    assert told.ranks == (1, 2, 4, 8)
    for at, n1 in enumerate(told.ranks):
        assert told.dimensions[at] == pytest.approx(gride(exact, n1).value, rel=1e-9)
        bias = gride(listed, n1).value / gride(exact, n1).value - 1
        assert told.biases[at] == pytest.approx(bias, abs=1e-9)
        assert told.biases[at] != 0
        assert 0 < told.bias_errors[at] < 0.1


def test_the_intervals_of_samples_hold_the_recall_of_all_rows(forgetful):
    X = CLOUD[:700]
    graph = neighbor_graph(ApproximatePoints(X), 16)
    whole = measured_recall(X, graph, rows=700)
    samples = [measured_recall(X, graph, seed, rows=60) for seed in range(40)]
    assert sum(told.low <= whole.value <= told.high for told in samples) >= 38
    off = [
        (told.biases[2] - whole.biases[2]) / told.bias_errors[2]
        for told in samples
    ]  # fmt: skip
    assert np.std(off) < 1.5


def test_the_sentence_names_recall_interval_and_biases(forgetful):
    told = measured_recall(CLOUD[:700], neighbor_graph(ApproximatePoints(CLOUD[:700]), 16))
    assert told.sentence.startswith(f"approximate neighbours, recall@16 {told.value:.3f} (0.8")
    assert "on 700 rows searched exactly; on these the dimension is off by" in told.sentence
    assert "at n1 = 1," in told.sentence
    assert told.sentence.endswith("at n1 = 8.")


def test_repeated_and_grouped_rows_are_sampled_among_the_points():
    X = np.vstack([CLOUD[:300], CLOUD[:50]])
    told = measured_recall(X, neighbor_graph(X, 10), rows=1000)
    assert (told.rows, told.value, told.biases[0]) == (300, 1.0, pytest.approx(0, abs=1e-12))
    groups = np.repeat(np.arange(100), 20)
    told = measured_recall(CLOUD, neighbor_graph(CLOUD, 10, groups=groups), rows=200)
    assert (told.rows, told.value) == (200, 1.0)


def test_progress_reaches_the_end_and_a_missing_library_is_named(monkeypatch):
    told = []
    neighbor_graph(ApproximatePoints(CLOUD), 5, progress=lambda *x: told.append(x))
    assert told[-1] == (2000, 2000)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"install layergeom\[approximate\], or search exactly"):
        neighbor_graph(ApproximatePoints(CLOUD), 5)


def test_rows_that_the_index_leaves_short_are_searched_exactly(monkeypatch):
    def few(cloud, _wanted):
        yield 0, [np.array([0, 1])] * len(cloud.X)

    monkeypatch.setattr(approximate, "_proposed", few)
    found = neighbor_graph(ApproximatePoints(CLOUD[:90]), 5)
    exact = _plain.search(CLOUD[:90], 5, None)
    np.testing.assert_array_equal(found.indices, exact.indices)
