"""Clouds that have nothing but a spectrum: Gaussian ones with the covariance of a layer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from layergeom import geometry
from layergeom.arrays import FloatArray, Points
from layergeom.errors import DegenerateError, GeometryWarning

DRAWS = 4  # one cloud may lie three errors away: it shows in the whole curve
Number = tuple[float, float]  # value, error


def gaussian_cloud(X: Points, seed: int | np.random.Generator = 0) -> FloatArray:
    """Return a Gaussian cloud with as many rows as ``X`` and exactly its covariance spectrum.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        Finite rows.
    seed : int or Generator
        Of the draw.

    Returns
    -------
    ndarray, shape (n, r)
        Along the principal axes of ``X``, r <= min(D, n - 1) of them; column means are 0.

    Raises
    ------
    DegenerateError
        If all rows are equal.

    Notes
    -----
    Z of independent normal entries, centred, is whitened by its own covariance, Z (ZᵀZ/n)^(-1/2),
    and stretched by the roots of the eigenvalues of ``X``. Without the whitening the cloud's own
    spectrum would be wider than the layer's wherever D is no small part of n. Cost: two products
    n × D × D and the eigendecomposition of ``X``; memory: n × D in float64, twice.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(size=(200, 3)) * [1, 2, 3]
    >>> bool(
    ...     np.allclose(
    ...         np.linalg.eigvalsh(np.cov(gaussian_cloud(X).T, bias=True))[::-1],
    ...         geometry.spectrum(X).eigenvalues,
    ...     )
    ... )
    True
    """
    return _stretched(len(X), _eigenvalues(X), np.random.default_rng(seed))


def _eigenvalues(X: Points) -> FloatArray:
    """Return the eigenvalues of the covariance that are more than rounding: (r,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)  # the profile holds them already
        found = geometry.spectrum(X, errors=False).eigenvalues
    floor = float(found[0]) * max(X.shape) * float(np.finfo(X.dtype).eps)
    return np.asarray(found[found > floor][: len(X) - 1])


def _stretched(n: int, eigenvalues: FloatArray, rng: np.random.Generator) -> FloatArray:
    Z = rng.standard_normal((n, len(eigenvalues)))
    Z -= Z.mean(axis=0)
    white = solve_triangular(np.linalg.cholesky(Z.T @ Z / n), Z.T, lower=True)
    return np.asarray(white.T * np.sqrt(eigenvalues))


def gaussian_numbers(
    X: Points, seed: int | Sequence[int] = 0, draws: int = DRAWS, device: str | None = None
) -> dict[str, Number] | None:
    """Return what Gaussian clouds with the spectrum of ``X`` read; None where they read nothing.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        The distinct rows of a layer.
    seed : int or sequence of int
        Of all draws.
    draws : int
        Clouds.
    device : str, optional
        Where neighbours are searched.

    Returns
    -------
    dict of str to (float, float)
        ``dimension``, TwoNN by maximum likelihood as the profile's, its mean over the draws and
        the standard error of that; ``anisotropy``, that of ``X`` by construction, with the error
        that it has in a cloud without clusters and tails.

    Notes
    -----
    Cost: per draw that of :func:`gaussian_cloud` and one search of two neighbours per row.
    """
    rng = np.random.default_rng(seed)
    try:
        spectrum = _eigenvalues(X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            own = geometry.spectrum(_stretched(len(X), spectrum, rng)).anisotropy
            clouds = (_stretched(len(X), spectrum, rng).astype(X.dtype) for _ in range(draws))
            read = [geometry.twonn(geometry.neighbor_graph(c, k=2, device=device)) for c in clouds]
    except DegenerateError:
        return None
    error = float(np.sqrt(np.mean([found.error**2 for found in read]) / draws))
    value = float(np.mean([found.value for found in read]))
    return {"dimension": (value, error), "anisotropy": (own.value, own.error)}
