"""Point clouds whose geometry is known."""

from __future__ import annotations

import numpy as np


def torus(n: int, dimension: int, seed: int) -> np.ndarray:
    """Return n points on a flat torus: (n, 2 dimension), without bias for nearest neighbours."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, dimension))
    return np.hstack([np.cos(angles), np.sin(angles)])
