"""Means over queries, and differences of such means on the same queries, with their bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, IntArray

BLOCK = 1 << 21  # numbers of one block of drawn counts: 16 MiB
ROUNDING = 1e-14  # below it scores of [0, 1] do not differ


@dataclass(frozen=True, eq=False)
class MeanBounds:
    """Means over the same queries, with what the queries leave open.

    Attributes
    ----------
    values, errors : ndarray, shape (L,)
        Means and their standard errors; an error is nan where all queries agree, for then it is
        not known.
    low, high : ndarray, shape (L,)
        Two-sided interval; nan where the error is.
    upper : ndarray, shape (L,)
        One-sided upper bound of the same confidence; nan where the error is.
    """

    values: FloatArray
    errors: FloatArray
    low: FloatArray
    high: FloatArray
    upper: FloatArray


def mean_bounds(
    scores: FloatArray, draws: int = 2000, seed: int = 0, confidence: float = 0.95
) -> MeanBounds:
    """Return the means over queries with bounds by the studentised bootstrap.

    Parameters
    ----------
    scores : ndarray, shape (L, q)
        A score of each query, or the difference of two: L of them for the same queries. All are
        resampled together. A row with nan stays nan.
    draws : int
        Resamples of the queries.
    seed : int
        Of the draws.
    confidence : float in (0, 1)
        Of the interval, and of the one-sided bound.

    Returns
    -------
    MeanBounds
        The same for the same seed, whatever the other rows are.

    Notes
    -----
    Of every resample t = (m* - m) / s*, with the standard error s* of the resample itself; the
    bounds are m - t_p s at the quantiles p of t (Efron and Tibshirani 1993, section 12.5; for
    retrieval scores Sakai 2006). Where one query in twenty loses anything, percentiles of m* cover
    78 % in place of 95 % at 50 queries, 91 % at 200 and 93 % at 1,000; t 100, 99 and 95 %
    (benchmarks/query_bounds.py). A resample without spread counts as t = ±infinity, so that a bound
    may be infinite where hardly any query differs.

    When it misleads: queries count as drawn independently from those that will be asked. Many
    copies of a query make every bound too narrow. Cost: draws · q · (L + 1) products; memory
    48 MiB.

    Examples
    --------
    >>> found = mean_bounds(np.array([[0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]))
    >>> found.values.tolist(), found.errors.round(3).tolist()
    ([0.75, 1.0], [0.25, nan])
    """
    q = scores.shape[1]
    values = scores.mean(axis=1)
    centred = scores - values[:, None]
    with np.errstate(invalid="ignore"):
        spread = np.abs(centred).max(axis=1) > ROUNDING
    errors = np.full(len(scores), np.nan)
    if q > 1:
        errors[spread] = centred[spread].std(axis=1, ddof=1) / np.sqrt(q)
    tail = (1 - confidence) / 2
    found = np.full((3, len(scores)), np.nan)
    if spread.any() and q > 1:
        t = _quantiles(centred[spread], draws, seed, [1 - tail, tail, 1 - confidence])
        found[:, spread] = values[spread] - t * errors[spread]
    return MeanBounds(values, errors, *found)


def _quantiles(centred: FloatArray, draws: int, seed: int, levels: list[float]) -> FloatArray:
    """Return quantiles of t over the draws: (levels, L)."""
    q = centred.shape[1]
    t = np.empty((draws, len(centred)))
    squares = centred**2
    for rows, counts in _drawn(q, draws, seed):
        means = counts @ centred.T / q
        variance = (counts @ squares.T / q - means**2) / (q - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t[rows] = means / np.sqrt(np.maximum(variance, 0.0))
    t[np.isnan(t)] = 0.0  # neither spread nor a difference from the mean
    return np.asarray(np.quantile(t, levels, axis=0, method="inverted_cdf"))


def _drawn(q: int, draws: int, seed: int) -> Iterator[tuple[slice, IntArray]]:
    """Yield how often each query is in some of the resamples: (b, q)."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // q)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        picks = rng.integers(0, q, (size, q)) + np.arange(size)[:, None] * q
        counts = np.bincount(picks.reshape(-1), minlength=size * q).reshape(size, q)
        yield slice(start, start + size), counts
