"""Scores that are no means over rows, as means of what each row adds to them.

A score s with the influences psi_i is the mean of its pseudo-values s + psi_i, whose spread gives
its error, and whose differences between two layers the error of the difference (Efron 1982,
chapter 6, with the infinitesimal jackknife in place of leaving rows out).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from layergeom.arrays import FloatArray


def explained(y: FloatArray, predicted: FloatArray, heard: FloatArray | float = 0) -> FloatArray:
    """Return what each row adds to R² = 1 − Σ (y − f)² / Σ (y − ȳ)²: (s,), of mean R².

    Parameters
    ----------
    y, predicted : ndarray, shape (s,)
    heard : ndarray, shape (s,), optional
        What a row adds to the squared errors of others, whose predictions rest on it; of sum 0.

    Examples
    --------
    >>> float(explained(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])).mean())
    0.5
    """
    missed, spread = (y - predicted) ** 2, (y - y.mean()) ** 2
    variance = spread.mean()
    if not variance > 0:
        return np.full(len(y), np.nan)
    value = 1 - missed.mean() / variance
    return np.asarray(value - (missed + heard - (1 - value) * spread) / variance)


def rank_correlation(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return what each row adds to Spearman's correlation: (s,), of mean ρ; nan if one is constant.

    Examples
    --------
    >>> x = np.arange(5.0)
    >>> round(float(rank_correlation(x, np.exp(x)).mean()), 12)
    1.0
    """
    a, b = (rankdata(values) / len(values) for values in (x, y))
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return np.full(len(x), np.nan)
    (ab, of_ab), (aa, of_aa), (bb, of_bb) = (
        _rank_covariance(*pair) for pair in ((a, b), (a, a), (b, b))
    )
    scale = np.sqrt(aa * bb)
    value = ab / scale
    return np.asarray(value + of_ab / scale - value / 2 * (of_aa / aa + of_bb / bb))


def _rank_covariance(a: FloatArray, b: FloatArray) -> tuple[float, FloatArray]:
    """Return the covariance of two ranks, and the influence of each row, also on the ranks."""
    a, b = a - a.mean(), b - b.mean()
    value = float((a * b).mean())
    return value, a * b + _moved(a, b) + _moved(b, a) - 3 * value


def _moved(ranks: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean of the weights times by how much a row raises each rank: 1, ½ at a tie."""
    levels, place = np.unique(ranks, return_inverse=True)
    sums = np.bincount(place, weights, len(levels)) / len(ranks)
    above = sums.sum() - np.cumsum(sums)
    return np.asarray((above + sums / 2)[place])


def micro_f1(hits: FloatArray, named: FloatArray) -> FloatArray:
    """Return what each row adds to the micro-averaged F1 = 2 Σ hits / Σ named: (s,), of mean F1.

    Parameters
    ----------
    hits : ndarray, shape (s,)
        Labels of the row that were named.
    named : ndarray, shape (s,)
        Labels named, plus labels that it has.

    Examples
    --------
    >>> round(float(micro_f1(np.array([1.0, 1.0]), np.array([2.0, 3.0])).mean()), 3)
    0.8
    """
    mean = named.mean()
    if not mean > 0:
        return np.full(len(hits), np.nan)
    value = 2 * hits.mean() / mean
    return np.asarray(value + (2 * hits - value * named) / mean)
