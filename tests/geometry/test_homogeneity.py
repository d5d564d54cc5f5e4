"""Local homogeneity: against the formula by loops, false alarms, planted steps, its errors."""

import math

import numpy as np
import pytest
from clumps import clumps
from manifolds import flat_torus_graph
from scipy.stats import chi2

from clouds import gauss
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import local_homogeneity, neighbor_graph
from layergeom.geometry.homogeneity import THRESHOLD, constant_neighbors


def slow_k_hat(X, d, k_max, threshold):
    """k-hat by the formula of the paper, with the volumes of balls, point by point."""
    gaps = np.linalg.norm(X[:, None] - X[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    order, radii = np.argsort(gaps, axis=1), np.sort(gaps, axis=1)
    unit = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    found = []
    for i in range(len(X)):
        k = 3
        while k < k_max:
            v = unit * radii[i, k - 1] ** d
            w = unit * radii[order[i, k], k - 1] ** d
            if -2 * k * (math.log(v) + math.log(w) - 2 * math.log(v + w) + math.log(4)) > threshold:
                break
            k += 1
        found.append(k)
    return np.array(found)


@pytest.mark.parametrize(("d", "threshold"), [(2, 3.84), (5, 10.0), (5, THRESHOLD)])
def test_k_hat_is_that_of_the_formula(d, threshold):
    X = np.random.default_rng(d).standard_normal((200, d)) ** 3
    found = constant_neighbors(neighbor_graph(X, k=30), d, 30, threshold)
    np.testing.assert_array_equal(found, slow_k_hat(X, d, 30, threshold))
    assert len(np.unique(found)) > 5


def test_the_threshold_is_p_one_in_a_million():
    assert chi2.sf(THRESHOLD, 1) == pytest.approx(1e-6, rel=1e-6)


def test_the_share_is_that_of_k_hat():
    graph = neighbor_graph(np.random.default_rng(0).standard_normal((500, 8)) ** 3, k=30)
    found = local_homogeneity(graph, 6.0, k_max=30)
    np.testing.assert_array_equal(found.k_hat, constant_neighbors(graph, 6.0, 30))
    assert found.value == (found.k_hat >= 6).mean()
    assert 0 < found.value < 1
    assert found.value == local_homogeneity(graph, 6.0).value


@pytest.mark.parametrize("d", [2, 8])
def test_false_alarms_stay_below_the_level(d):
    """Balls overlap, so that they are fewer than χ² says: between an eighth of 5 % and 5 %."""
    graph = flat_torus_graph(np.random.default_rng(d), d, 4000, 8)
    one_test = 1 - local_homogeneity(graph, d, neighbors=4, threshold=chi2.isf(0.05, 1)).value
    assert 0.05 / 8 < one_test < 0.05
    assert local_homogeneity(graph, d).value == 1.0


def test_a_step_of_density_is_seen_where_it_lies():
    rng = np.random.default_rng(0)
    X = rng.random((4000, 2))
    X[:2000, 0] *= 0.01  # a strip that is a hundred times as dense as the rest of the square
    k_hat = constant_neighbors(neighbor_graph(X, k=30), 2.0, 30)
    edge = (X[:, 0] > 0.01) & (X[:, 0] < 0.03)
    far = X[:, 0] > 0.3
    assert edge.sum() > 30
    assert (k_hat[edge] < 30).mean() > 0.6
    assert (k_hat[far] < 30).mean() < 0.01


def test_points_in_tight_pairs_of_clumps_fail():
    rng = np.random.default_rng(1)
    X = np.vstack([rng.standard_normal((500, 5)), 1e-3 * rng.standard_normal((4, 5)) + 2.0])
    found = local_homogeneity(neighbor_graph(X, k=10), 5.0)
    assert (found.k_hat[-4:] < 6).all()
    assert found.value > 0.95


@pytest.mark.parametrize(("d", "threshold"), [(5, 3.84), (10, 3.84)])
def test_errors_are_the_scatter(d, threshold):
    found = [
        local_homogeneity(
            flat_torus_graph(np.random.default_rng(s), d, 1000, 6), d, threshold=threshold
        )
        for s in range(60)
    ]
    scatter = np.std([x.value for x in found], ddof=1)
    # 60 draws know the scatter to 9 %; the rule leaves out pairs with no neighbour in common
    assert np.mean([x.error for x in found]) == pytest.approx(scatter, rel=0.3)


def test_the_error_is_known_where_no_point_fails():
    found = local_homogeneity(neighbor_graph(np.random.default_rng(0).random((400, 2)), k=6), 2.0)
    assert found.value == 1.0
    assert found.error == pytest.approx(1 / 400, rel=0.01)


def test_repeats_count_once():
    X = gauss(np.random.default_rng(0), 8, 300)
    once, twice = neighbor_graph(X, k=10), neighbor_graph(np.vstack([X, X[:100]]), k=10)
    a, b = local_homogeneity(once, 8.0), local_homogeneity(twice, 8.0)
    np.testing.assert_array_equal(a.k_hat, b.k_hat)
    assert a.value == b.value < 1
    assert a.error == pytest.approx(b.error, rel=1e-12)


def test_scale_does_not_matter():
    X = gauss(np.random.default_rng(0), 8, 300)
    a, b = (local_homogeneity(neighbor_graph(s * X, k=10), 8.0, k_max=10) for s in (1.0, 2.0**40))
    np.testing.assert_array_equal(a.k_hat, b.k_hat)


def test_groups_are_refused():
    X, groups = clumps(np.random.default_rng(0), 50, 4, 0.5)
    with pytest.raises(DegenerateError, match="independent rows"):
        local_homogeneity(neighbor_graph(X, k=10, groups=groups), 5.0)


def test_short_lists_and_wrong_numbers_are_told():
    graph = neighbor_graph(np.random.default_rng(0).random((50, 2)), k=5)
    with pytest.raises(DegenerateError, match="within 6 neighbours cannot be tested with the 5"):
        local_homogeneity(graph, 2.0)
    assert local_homogeneity(graph, 2.0, neighbors=5).value == 1.0
    for dimension in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="dimension is"):
            local_homogeneity(graph, dimension, neighbors=5)
    with pytest.raises(InputError, match="threshold is"):
        local_homogeneity(graph, 2.0, neighbors=5, threshold=-1.0)
    with pytest.raises(InputError, match="neighbors must be"):
        local_homogeneity(graph, 2.0, neighbors=3)
    with pytest.raises(InputError, match="k_max must be"):
        local_homogeneity(graph, 2.0, neighbors=5, k_max=4)
