"""RankMe and the matrix-based entropy against singular values, known spectra and draws."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.errors import DegenerateError
from layergeom.geometry import spectrum
from layergeom.geometry.matrix_entropy import EPSILON, matrix_entropy, rankme

SHAPES = [(80, 12), (15, 40)]


def cloud(n: int, width: int, dtype: type = np.float64) -> np.ndarray:
    rng = np.random.default_rng(n)
    return (rng.standard_normal((n, width)) * np.linspace(1, 4, width) + 2).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_are_those_of_the_singular_values(shape: tuple[int, int], dtype: type) -> None:
    X = cloud(*shape, dtype)
    sigma = np.linalg.svd(X.astype(np.float64), compute_uv=False)
    p = sigma / sigma.sum() + EPSILON
    assert rankme(X).value == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-9)
    q = sigma**2 / (sigma**2).sum()
    assert matrix_entropy(X).value == pytest.approx(-(q * np.log(q)).sum(), rel=1e-9)


def test_the_entropy_is_that_of_the_gram_matrix() -> None:
    X = cloud(30, 12)
    K = X @ X.T
    p = np.linalg.eigvalsh(K / np.trace(K))
    p = p[p > 1e-14]
    assert matrix_entropy(X).value == pytest.approx(-(p * np.log(p)).sum(), rel=1e-9)


def test_without_a_mean_they_are_the_centred_ranks() -> None:
    X = cloud(200, 8)
    X -= X.mean(axis=0)
    found = spectrum(X)
    assert rankme(X).value == pytest.approx(found.effective_rank.value, rel=1e-5)
    assert np.exp(matrix_entropy(X).value) == pytest.approx(found.spectral_entropy_rank.value)


def test_a_long_mean_hides_the_rest_from_them_and_not_from_the_centred_rank() -> None:
    X = cloud(200, 8)
    moved = X + 1000
    assert spectrum(moved).effective_rank.value == pytest.approx(spectrum(X).effective_rank.value)
    assert rankme(moved).value < 1.2 < 5 < rankme(X).value
    assert matrix_entropy(moved).value < 0.01


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("measure", [rankme, matrix_entropy])
def test_influences_are_those_of_a_row_that_weighs_more(shape: tuple[int, int], measure) -> None:
    """Both depend on Σ w_i x_i x_iᵀ up to its scale: x_i times √(1 + εn) is a weight of 1/n + ε."""
    X, step = cloud(*shape), 1e-6
    found = measure(X)
    for row in range(0, len(X), 7):
        heavier = X.copy()
        heavier[row] *= np.sqrt(1 + step * len(X))
        slope = (measure(heavier).value - found.value) / step
        assert slope == pytest.approx(found.influence[row], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("measure", [rankme, matrix_entropy])
def test_the_error_is_that_of_draws(measure) -> None:
    rng = np.random.default_rng(0)
    scales = np.linspace(1, 5, 6)
    found = [measure(rng.standard_normal((300, 6)) * scales) for _ in range(80)]
    ratio = np.mean([x.error for x in found]) / np.std([x.value for x in found], ddof=1)
    assert 0.8 < ratio < 1.25  # the standard deviation of 80 draws has an error of 8 %


def test_without_errors_the_value_is_the_same() -> None:
    X = cloud(40, 12)
    found = matrix_entropy(X, errors=False)
    assert found.value == pytest.approx(matrix_entropy(X).value, rel=1e-12)
    assert np.isnan(found.error)


def test_equal_rows_are_refused() -> None:
    with pytest.raises(DegenerateError, match="all 5 rows are equal"):
        matrix_entropy(np.ones((5, 3)))
