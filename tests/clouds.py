"""Point clouds whose geometry is known; numpy alone, so that other packages may be asked too."""

from __future__ import annotations

import numpy as np


def torus(n: int, dimension: int, seed: int) -> np.ndarray:
    """Return n points on a flat torus: (n, 2 dimension), without bias for nearest neighbours."""
    return chords(np.random.default_rng(seed), dimension, n)


def chords(rng, d, n):
    """Torus of dimension d in R^2d: no boundary; chords make large dimensions read too high."""
    angle = 2 * np.pi * rng.random((n, d))
    return np.hstack([np.cos(angle), np.sin(angle)])


def sphere(rng, d, n):
    X = rng.standard_normal((n, d + 1))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def ball(rng, d, n):
    return sphere(rng, d - 1, n) * rng.random((n, 1)) ** (1 / d)


def gauss(rng, d, n):
    return rng.standard_normal((n, d))


def swissroll(rng, d, n):
    t = 1.5 * np.pi * (1 + 2 * rng.random(n))
    return np.stack([t * np.cos(t), 21 * rng.random(n), t * np.sin(t)], axis=1)


def embedded(rng, d, n, width):
    """Gaussian of dimension d, rotated into R^width."""
    frame = np.linalg.qr(rng.standard_normal((width, d)))[0]
    return rng.standard_normal((n, d)) @ frame.T
