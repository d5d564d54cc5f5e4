"""Levina and Bickel's dimension against a slow reference, the exact law, and grouped rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import NeighborGraph, neighbor_graph
from layergeom.geometry.levina_bickel import levina_bickel


def slow(X: np.ndarray, k1: int, k2: int) -> float:
    """Mean over k and i of the inverse estimates of equation 8, then inverted."""
    inverses = []
    for distances in np.sort(cdist(X, X), axis=1)[:, 1:]:
        logs = [np.log(distances[k - 1] / distances[: k - 1]) for k in range(k1, k2 + 1)]
        inverses.append(np.mean([each.mean() for each in logs]))
    return 1 / float(np.mean(inverses))


@pytest.mark.parametrize(("k1", "k2"), [(10, 20), (3, 3), (5, 12)])
def test_the_formula(k1: int, k2: int) -> None:
    X = np.random.default_rng(1).standard_normal((80, 6))
    found = levina_bickel(neighbor_graph(X, 25), k1, k2)
    assert found.value == pytest.approx(slow(X, k1, k2), rel=1e-12)
    assert found.ranks == (k1, k2)
    assert found.influence.mean() == pytest.approx(0, abs=1e-9)


def exact(n: int, k: int, d: float, seed: int) -> NeighborGraph:
    """Distances of the model: r_j^d of a Poisson process, independent from point to point."""
    volumes = np.random.default_rng(seed).exponential(size=(n, k)).cumsum(axis=1)
    indices = (np.arange(n)[:, None] + np.arange(1, k + 1)) % n
    return NeighborGraph.from_arrays(volumes ** (1 / d), indices, self_included=False)


def test_the_law_of_the_model_is_met() -> None:
    """Without the harmonic mean it would read (k - 1)/(k - 2), 13 % above at k = 10."""
    values = np.array([levina_bickel(exact(400, 20, 7.0, seed)).value for seed in range(60)])
    assert values.mean() == pytest.approx(7.0, abs=4 * values.std() / np.sqrt(60))
    naive = exact(400, 10, 7.0, 0).distances
    logs = np.log(naive[:, -1:] / naive[:, :-1]).mean(axis=1)
    assert (1 / logs).mean() > 7.5


def test_the_error_is_that_of_draws() -> None:
    """On a torus, without border; intervals of 95 % hold 96 % of 80 draws."""
    found = []
    for seed in range(40):
        angles = np.random.default_rng(seed).random((400, 2)) * 2 * np.pi
        torus = np.hstack([np.cos(angles), np.sin(angles)])
        found.append(levina_bickel(neighbor_graph(torus, 20)))
    values = np.array([x.value for x in found])
    held = np.abs(values - values.mean()) < 1.96 * np.array([x.error for x in found])
    assert held.mean() >= 0.85
    assert 0.8 < np.mean([x.error for x in found]) / values.std(ddof=1) < 1.6


def test_repeats_do_not_count_and_rotation_and_scale_change_nothing() -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((150, 5))
    turned = 7 * X @ np.linalg.qr(rng.standard_normal((5, 5)))[0] + 3
    repeated = np.vstack([X, X[:30]])
    values = [levina_bickel(neighbor_graph(Y, 30)).value for Y in (X, turned)]
    with pytest.warns(GeometryWarning, match="30 of 180 rows repeat"):
        values.append(levina_bickel(neighbor_graph(repeated, 30)).value)
    np.testing.assert_allclose(values, values[0], rtol=1e-9)


def test_neighbours_of_groups_follow_the_law_where_siblings_would_not() -> None:
    """Each point comes with a near twin: without groups the dimension is far too low."""
    rng = np.random.default_rng(3)
    X = np.repeat(rng.random((600, 4)), 2, axis=0)
    X += 1e-4 * rng.standard_normal(X.shape)
    groups = np.repeat(np.arange(600), 2)
    apart = levina_bickel(neighbor_graph(X, 44, groups=groups))
    alone = levina_bickel(neighbor_graph(X[::2], 20))
    assert levina_bickel(neighbor_graph(X, 20)).value < 2.5
    assert apart.value == pytest.approx(alone.value, rel=0.02)


def test_what_cannot_be_measured_is_refused() -> None:
    X = np.random.default_rng(4).standard_normal((50, 3))
    with pytest.raises(InputError, match="rank n2 = 20 exceeds the 12"):
        levina_bickel(neighbor_graph(X, 12))
    with pytest.raises(InputError, match="k1 must be at least 3"):
        levina_bickel(neighbor_graph(X, 20), 2)
    with pytest.raises(DegenerateError, match="too few for a dimension"):
        levina_bickel(neighbor_graph(np.vstack([X, *[X[:1]] * 300]), 20))
