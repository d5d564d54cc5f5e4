"""Classes read off the states by a linear classifier that has not seen the row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.geometry.groups import own_where_missing
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits

STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # C of scikit-learn, of standardised features
INNER = 3  # folds of the training rows, one of which chooses C
STEPS = 1_000  # of L-BFGS at most
# Products below which threads cost more than they bring: of 1,437 × 96 × 10, a hundred times more.
ONE_THREAD = 100_000_000


def probed(
    X: Points, given: EvaluatedRows, splits: Splits, seed: int
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return for each scored row whether a linear probe names its class, and warnings.

    Parameters
    ----------
    X : ndarray, shape (m, D)
        States of the evaluated rows.
    given : EvaluatedRows
        Classes and groups.
    splits : sequence of (learn, score)
        Places among the m rows; the same for every layer.
    seed : int
        Of the inner splits.

    Returns
    -------
    ndarray, shape (s,), and tuple of str
        1 or 0 per row, in the order of the scored rows.

    Notes
    -----
    Multinomial logistic regression with an L2 penalty on features standardised by the training
    rows; C is chosen within the training rows of every fold, on one held-out third that cuts no
    group. Cost: five fits per fold, each of up to 1,000 passes over m × D numbers times the number
    of classes.
    """
    right = np.full(len(given.rows), np.nan)
    unfinished = 0
    for learn, score in splits:
        strength, missed = _strength(X, given, learn, seed)
        guess, more = _guesses(X, given.codes, learn, score, strength)
        right[score] = guess == given.codes[score]
        unfinished += missed + more
    told = f"{unfinished} of the linear probe's fits stopped after {STEPS:,} steps."
    return right[given.scored], (told,) if unfinished else ()


def _strength(X: Points, given: EvaluatedRows, learn: IntArray, seed: int) -> tuple[float, int]:
    """Choose C within the training rows; the smallest of the best."""
    inner = inner_split(given, learn, seed)
    if inner is None or len(np.unique(given.codes[inner[0]])) < 2:
        return STRENGTHS[1], 0
    tried = [_guesses(X, given.codes, *inner, strength) for strength in STRENGTHS]
    hits = [float((guess == given.codes[inner[1]]).mean()) for guess, _ in tried]
    return STRENGTHS[int(np.argmax(hits))], sum(missed for _, missed in tried)


def inner_split(
    given: EvaluatedRows, learn: IntArray, seed: int
) -> tuple[IntArray, IntArray] | None:
    """Return one split of the training rows; None where their groups or classes allow none."""
    if given.groups is not None and len(np.unique(own_where_missing(given.groups)[learn])) < INNER:
        return None
    if np.bincount(given.strata[learn]).max() < INNER:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # then it is on one side
        return given.splits(INNER, seed, learn)[0]


def _guesses(
    X: Points, codes: IntArray, learn: IntArray, score: IntArray, strength: float
) -> tuple[IntArray, int]:
    """Return the classes named for the rows to score, and 1 if the fit did not end."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import (  # type: ignore[import-untyped,unused-ignore]  # scikit-learn's own
        threadpool_limits,
    )

    probe: Any = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=STEPS))
    small = len(learn) * X.shape[1] * (int(codes.max()) + 1) < ONE_THREAD
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1 if small else None):
        warnings.simplefilter("always", ConvergenceWarning)
        probe.fit(X[learn], codes[learn])
    missed = int(any(issubclass(warning.category, ConvergenceWarning) for warning in caught))
    return probe.predict(X[score]), missed
