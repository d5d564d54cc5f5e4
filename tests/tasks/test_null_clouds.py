"""Gaussian clouds of a given spectrum: the spectrum exactly, the dimension of a Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

from clouds import torus
from layergeom.geometry import neighbor_graph, spectrum, twonn
from layergeom.tasks.null_clouds import gaussian_cloud, gaussian_numbers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(300, 7), (40, 90), (200, 199)])
def test_the_spectrum_is_that_of_the_rows(shape: tuple[int, int]) -> None:
    X = RNG.standard_t(3, shape) * np.linspace(1, 5, shape[1]) + 7
    cloud = gaussian_cloud(X)
    expected = spectrum(X, errors=False).eigenvalues[: cloud.shape[1]]
    assert cloud.shape == (shape[0], min(shape[1], shape[0] - 1))
    assert np.allclose(spectrum(cloud, errors=False).eigenvalues, expected)
    assert np.allclose(cloud.mean(axis=0), 0, atol=1e-9)


def test_directions_without_variance_are_left_out() -> None:
    flat = RNG.standard_normal((100, 3)) @ RNG.standard_normal((3, 20))
    assert gaussian_cloud(flat).shape == (100, 3)
    assert gaussian_cloud(flat.astype(np.float32)).shape == (100, 3)


def test_entries_are_normal() -> None:
    coin = np.sign(RNG.standard_normal((2000, 2)))  # kurtosis 1
    cloud = gaussian_cloud(coin)
    assert ((cloud / cloud.std(axis=0)) ** 4).mean() == pytest.approx(3, abs=0.3)  # SE 0.16


def test_a_curved_surface_has_less_dimension_than_its_spectrum() -> None:
    X = torus(1500, 3, seed=0)
    own = twonn(neighbor_graph(X, 2))
    null = gaussian_numbers(X)
    assert null is not None
    value, error = null["dimension"]
    assert value - own.value > 3 * np.hypot(error, own.error)
    assert null["anisotropy"][0] == pytest.approx(spectrum(X).anisotropy.value)


def test_a_gaussian_cloud_reads_what_its_null_reads() -> None:
    """Away by errors only: in 30 pairs the squared distance in errors is 1 on average."""
    away = []
    for seed in range(30):
        X = np.random.default_rng(seed + 100).standard_normal((200, 5)) * [1, 2, 3, 4, 5]
        own, null = twonn(neighbor_graph(X, 2)), gaussian_numbers(X, seed)
        assert null is not None
        value, error = null["dimension"]
        away.append((own.value - value) / np.hypot(own.error, error))
    assert abs(np.mean(away)) < 3 / np.sqrt(30)
    assert np.mean(np.square(away)) == pytest.approx(1, abs=0.8)  # SE of the mean square 0.26


def test_rows_that_are_all_equal_read_nothing() -> None:
    assert gaussian_numbers(np.ones((50, 4))) is None
