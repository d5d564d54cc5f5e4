"""Inputs that several files of rows share."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from clouds import embedded

SQUARABLE = 1e100

RNG = np.random.default_rng(0)
X = embedded(RNG, 5, 1000, 50)
WIDE = embedded(np.random.default_rng(1), 8, 300, 768)  # as the states of a language model
LATTICE = np.stack(np.meshgrid(*[np.arange(10.0)] * 3), axis=-1).reshape(-1, 3)
X.setflags(write=False)
WIDE.setflags(write=False)


def copies(share: float, points: np.ndarray = X) -> np.ndarray:
    """The last rows replaced by copies of others."""
    n = len(points)
    repeated = round(share * n)
    Y = points.copy()
    Y[n - repeated :] = points[np.random.default_rng(1).integers(0, n - repeated, repeated)]
    return Y


def changed(place: object, number: object, points: np.ndarray = X) -> np.ndarray:
    """A copy with other numbers in one place."""
    Y = points.copy()
    Y[place] = number
    return Y


def exact_lists(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the k nearest other rows by direct differences, and which: (n, k) each."""
    distances = _distances(np.asarray(points))
    np.fill_diagonal(distances, np.inf)
    indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, indices, axis=1), indices


def _distances(points: np.ndarray) -> np.ndarray:
    """In float64; in long double where squares leave its range."""
    if np.abs(points).max() < SQUARABLE:
        return cdist(points.astype(np.float64), points.astype(np.float64))
    wide = points.astype(np.longdouble)
    return np.array([np.sqrt(((wide - x) ** 2).sum(axis=1)) for x in wide], dtype=np.float64)
