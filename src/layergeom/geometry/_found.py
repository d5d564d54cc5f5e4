"""What every search starts from and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, IntArray, Points

Progress = Callable[[int, int], None]

ORDINARY_EXPONENT = 40  # |x| within 2^±40: squares stay normal even in float32


@dataclass(frozen=True, eq=False)
class Found:
    """Neighbours of each query: ``k`` nearest and the other members of a tie at the k-th."""

    distances: FloatArray  # (q, k), inf where fewer than k are admissible
    indices: IntArray  # (q, k), -1 where fewer than k are admissible
    ties: dict[int, IntArray]  # query -> further points exactly at its k-th distance


def power_of_two(X: Points) -> float:
    """Return an exact scale that keeps squares inside the range of float64; 1 for ordinary data."""
    size = max(abs(float(X.min())), abs(float(X.max())))
    exponent = int(np.frexp(size)[1])
    return 1.0 if abs(exponent) < ORDINARY_EXPONENT else 2.0 ** min(max(exponent, -1000), 1000)


def centre(X: Points, scale: float = 1.0) -> FloatArray:
    """Return the median of a hundred rows, in units of ``scale``; outliers do not move it."""
    sample = np.ascontiguousarray(X[:: max(1, len(X) // 100)].T)
    if scale != 1.0:
        sample = sample.astype(np.float64) / scale
    middle = sample.shape[1] // 2
    return np.partition(sample, middle, axis=1)[:, middle].astype(np.float64)
