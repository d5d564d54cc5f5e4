"""Functions of a covariance spectrum, and how each of them moves with every eigenvalue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from layergeom.arrays import FloatArray


def _anisotropy(v: FloatArray) -> float:
    return float(v[0] / v.sum())


def _anisotropy_slope(v: FloatArray) -> FloatArray:
    slope = np.full(len(v), -v[0] / v.sum() ** 2)
    slope[0] += 1 / v.sum()
    return slope


def _effective_rank(v: FloatArray) -> float:
    return _entropy_rank(np.sqrt(v))


def _effective_rank_slope(v: FloatArray) -> FloatArray:
    sigma = np.sqrt(v)
    return np.asarray(_entropy_rank_slope(sigma) / (2 * sigma))


def _entropy_rank(v: FloatArray) -> float:
    p = v / v.sum()
    return float(np.exp(-(p @ np.log(p))))


def _entropy_rank_slope(v: FloatArray) -> FloatArray:
    p = v / v.sum()
    entropy = -float(p @ np.log(p))
    return np.asarray(-np.exp(entropy) * (np.log(p) + entropy) / v.sum())


def _participation(v: FloatArray) -> float:
    return float(v.sum() ** 2 / (v @ v))


def _participation_slope(v: FloatArray) -> FloatArray:
    total, squares = float(v.sum()), float(v @ v)
    return np.asarray(2 * total / squares - 2 * total**2 * v / squares**2)


FUNCTIONS: dict[str, tuple[Callable[[FloatArray], float], Callable[[FloatArray], FloatArray]]] = {
    "anisotropy": (_anisotropy, _anisotropy_slope),
    "effective_rank": (_effective_rank, _effective_rank_slope),
    "spectral_entropy_rank": (_entropy_rank, _entropy_rank_slope),
    "participation_ratio": (_participation, _participation_slope),
}
