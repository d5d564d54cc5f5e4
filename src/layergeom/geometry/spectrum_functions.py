"""Functions of a covariance spectrum, and how each of them moves with every eigenvalue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.geometry.gram import Gram


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


def function_influences(gram: Gram, names: Sequence[str]) -> dict[str, FloatArray]:
    """Return the influence of each row on functions of the spectrum, by their names.

    Row i moves lambda_j by (v_j·y_i)² - lambda_j.
    """
    v = gram.values
    weights = np.stack([FUNCTIONS[name][1](v) * v for name in names], axis=1)
    moves = np.empty((len(names), gram.rows.n))
    for at, projected in gram.projections():
        moves[:, at] = (np.square(projected, out=projected) @ weights.astype(projected.dtype)).T
    return dict(zip(names, moves - weights.sum(axis=0)[:, None], strict=True))
