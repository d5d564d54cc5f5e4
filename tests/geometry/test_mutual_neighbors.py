"""Mutual nearest neighbours by cosine against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from layergeom.errors import InputError
from layergeom.geometry import neighbor_graph, neighborhood_overlap
from layergeom.geometry.mutual_neighbors import mutual_knn, unit_rows


def slow(a: np.ndarray, b: np.ndarray, k: int, metric: str) -> float:
    lists = []
    for X in (a, b):
        apart = cdist(X, X, metric)
        np.fill_diagonal(apart, np.inf)
        lists.append(np.argsort(apart, axis=1)[:, :k])
    pairs = zip(*lists, strict=True)
    return float(np.mean([len(set(x) & set(y)) / k for x, y in pairs]))


def pair(n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((n, 6)) * rng.uniform(0.2, 9, (n, 1))
    return a, a @ rng.standard_normal((6, 11)) + rng.standard_normal((n, 11))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 10])
def test_the_definition(k: int, metric: str) -> None:
    a, b = pair()
    found = mutual_knn(a, b, k, metric)  # type: ignore[arg-type]
    assert found.value == pytest.approx(slow(a, b, k, metric), abs=1e-12)
    assert found.chance == pytest.approx(k / 149)
    assert found.error > 0


def test_the_metrics_differ_and_the_euclidean_one_is_the_overlap() -> None:
    a, b = pair()
    by_angle, by_distance = mutual_knn(a, b), mutual_knn(a, b, metric="euclidean")
    graphs = [neighbor_graph(X, 10) for X in (a, b)]
    assert by_distance.value == neighborhood_overlap(*graphs, k=10).value
    assert abs(by_angle.value - by_distance.value) > 0.02


def test_lengths_do_not_count_however_large() -> None:
    a, b = pair()
    lengths = np.logspace(-250, 250, len(a))[:, None]
    assert mutual_knn(a * lengths, b).value == pytest.approx(mutual_knn(a, b).value, abs=1e-12)
    np.testing.assert_allclose(np.linalg.norm(unit_rows(a * lengths), axis=1), 1, rtol=1e-12)


def test_what_has_no_direction_or_no_meaning_is_refused() -> None:
    a, b = pair()
    a[[4, 9]] = 0
    with pytest.raises(InputError, match=r"a has 2 zero rows \(first: row 4\)"):
        mutual_knn(a, b)
    with pytest.raises(InputError, match="metric is 'dot'; it must be one of cosine, euclidean"):
        mutual_knn(b, b, metric="dot")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="rows"):
        mutual_knn(b, b[:-1])
