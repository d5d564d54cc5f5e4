"""Numbers and labels read off the states by ridge regression that has not seen the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits
from layergeom.tasks.linear_probe import ONE_THREAD, inner_split

ALPHAS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)  # penalties, of standardised features
UNTOLD = 100.0  # where the training rows allow no inner split

Named = Callable[[FloatArray], FloatArray]  # predictions to what is said for them
# Of truth and predictions: how good they are, and what is best said for such predictions.
Judge = Callable[[FloatArray, FloatArray], tuple[float, Named]]


def out_of_fold(
    X: Points, Y: FloatArray, given: EvaluatedRows, splits: Splits, seed: int, judge: Judge
) -> FloatArray:
    """Return what is said for the scored rows, (m, q), nan for the others.

    Parameters
    ----------
    X : ndarray, shape (m, D)
        States of the evaluated rows.
    Y : ndarray, shape (m, q)
        What is predicted.
    given, splits, seed
        As of :func:`layergeom.tasks.linear_probe.probed`.
    judge : callable
        Chooses the penalty, and how predictions are read.

    Notes
    -----
    scikit-learn's ``Ridge`` on features standardised by the training rows; of equally good
    penalties the largest, chosen within the training rows of every fold on one held-out third that
    cuts no group. Cost: six fits per fold, each of O(m D² + D³ + m D q).
    """
    said = np.full(Y.shape, np.nan)
    for learn, score in splits:
        alpha, named = _chosen(X, Y, given, learn, seed, judge)
        said[score] = named(_predictions(X, Y, learn, score, alpha))
    return said


def _chosen(
    X: Points, Y: FloatArray, given: EvaluatedRows, learn: IntArray, seed: int, judge: Judge
) -> tuple[float, Named]:
    inner = inner_split(given, learn, seed)
    if inner is None:
        return UNTOLD, judge(Y[learn], Y[learn])[1]
    tried: Sequence[float] = ALPHAS[::-1]
    found = [judge(Y[inner[1]], _predictions(X, Y, *inner, alpha)) for alpha in tried]
    best = int(np.argmax([quality for quality, _ in found]))
    return tried[best], found[best][1]


def _predictions(
    X: Points, Y: FloatArray, learn: IntArray, score: IntArray, alpha: float
) -> FloatArray:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import (  # type: ignore[import-untyped,unused-ignore]  # scikit-learn's own
        threadpool_limits,
    )

    ridge: Any = make_pipeline(StandardScaler(), Ridge(alpha=alpha))
    small = len(learn) * X.shape[1] * min(X.shape[1], 100) < ONE_THREAD
    with threadpool_limits(1 if small else None):
        ridge.fit(X[learn], Y[learn])
        return np.asarray(ridge.predict(X[score])).reshape(len(score), -1)
