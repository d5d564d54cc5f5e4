"""Rows that come in families are found, and independent rows are not."""

import numpy as np
import pytest

from clouds import ball, gauss, swissroll
from clouds import chords as torus
from layergeom.geometry import neighbor_graph
from layergeom.geometry.families import families


def siblings(size, n=400, d=10, noise=0.03, seed=0):
    rng = np.random.default_rng(seed)
    return np.repeat(gauss(rng, d, n), size, axis=0) + noise * gauss(rng, d, n * size)


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_families_are_found_with_their_size(size):
    found = families(neighbor_graph(siblings(size), 32))
    assert found.size == size
    assert found.within < 3
    assert found.beyond > 2 * found.within
    assert found.beyond > 4


def test_most_rows_with_a_twin_are_enough():
    cloud = siblings(2)
    found = families(neighbor_graph(cloud[: 800 - 160], 32))
    assert found.size == 2
    singles = np.vstack([cloud[:400:2], cloud[400:]])  # a third of the items without a twin
    assert families(neighbor_graph(singles, 32)).size == 2


@pytest.mark.parametrize("n", [100, 300, 1000])
@pytest.mark.parametrize("draw", [torus, ball, gauss, swissroll])
@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_independent_rows_are_no_families(draw, d, n):
    for seed in range(5):
        cloud = draw(np.random.default_rng(seed), d, n)
        assert families(neighbor_graph(cloud, min(32, n - 1))) is None


def test_noise_and_mixtures_are_no_families():
    rng = np.random.default_rng(0)
    noisy = np.hstack([rng.random((2000, 2)), np.zeros((2000, 18))])
    noisy += 0.01 * rng.standard_normal(noisy.shape)
    mixed = np.vstack([gauss(rng, 2, 500) @ np.eye(2, 12), 3 + gauss(rng, 12, 500)])
    heavy = rng.standard_t(2, (1000, 6))
    for cloud in (noisy, mixed, heavy):
        assert families(neighbor_graph(cloud, 32)) is None


def test_a_lattice_and_a_few_points_are_left_to_others():
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    assert families(neighbor_graph(lattice, 6)) is None
    assert families(neighbor_graph(siblings(2, n=40), 10)) is None
