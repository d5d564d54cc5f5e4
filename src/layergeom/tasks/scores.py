"""Scores of layers on the same rows, and what a choice of layer loses against the best one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry.uncertainty import same_point_error

ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class Score:
    """One score over the layers.

    Attributes
    ----------
    name : str
        ``knn``, ``linear_probe`` or ``retrieval``; of labels that are no classes with what is
        measured, as ``knn_r2``.
    values, errors : ndarray, shape (L,)
        Share of the rows that come out right, in [0, 1], or R², Spearman's ρ, F1 or mean Jaccard
        index, and its standard error; nan where a layer cannot be scored, or the error is not
        known (all rows right, or all wrong).
    macro, macro_errors : ndarray, shape (L,)
        The same as the mean over the classes, each class counting the same.
    correct : ndarray, shape (L, s)
        What each row adds, of mean ``values``: right (1), wrong (0), or between where it is a
        matter of equal votes; or pseudo-values (:mod:`layergeom.tasks.contributions`).
    chance : float
        What is reached without the states: the share of the largest class; for ``retrieval`` that
        of a row drawn at random; 0 for R² and ρ; F1 of the best set of labels that is the same for
        all rows; the mean Jaccard index of random rows.
    """

    name: str
    values: FloatArray
    errors: FloatArray
    macro: FloatArray
    macro_errors: FloatArray
    correct: FloatArray
    chance: float


@dataclass(frozen=True)
class Regret:
    """What a choice of layer loses against the best layer, on the same rows.

    Attributes
    ----------
    score : str
        By which score.
    choice : str
        ``recommended``, ``last``, ``middle`` or ``embedding``.
    layer, best : str
        The layer chosen and the best one.
    value : float
        Score at the best layer minus score at the chosen one, never negative; nan if the chosen
        layer has no score.
    error : float
        Standard error of this paired difference; nan where it is not known, and where the choice is
        the best layer.
    """

    score: str
    choice: str
    layer: str
    best: str
    value: float
    error: float


def score_of(
    name: str, correct: FloatArray, codes: IntArray, clusters: IntArray, chance: float
) -> Score:
    """Return a score from what came out right.

    Parameters
    ----------
    name : str
        Of the score.
    correct : ndarray, shape (L, s)
        What rows add to the score; a layer of nan has no score.
    codes, clusters : ndarray, shape (s,)
        Class and group of each row.
    chance : float
        Kept.

    Notes
    -----
    Errors are those of a mean over rows whose groups are drawn independently (each row is one where
    there are none); what a probe was fitted on counts as given. With few groups they are too small.

    Examples
    --------
    >>> score = score_of(
    ...     "knn", np.array([[1.0, 1.0, 1.0, 0.0]]), np.array([0, 0, 0, 1]), np.arange(4), 0.75
    ... )
    >>> float(score.values[0]), float(score.macro[0])
    (0.75, 0.5)
    """
    values, errors = _means(correct, np.zeros(len(codes), dtype=np.int64), clusters)
    macro, macro_errors = _means(correct, codes, clusters)
    return Score(name, values, errors, macro, macro_errors, correct, chance)


def _means(
    correct: FloatArray, classes: IntArray, clusters: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the means over the classes of the layers' class means, and their errors."""
    pairs = [_mean(row, classes, clusters) for row in correct]
    return np.array([value for value, _ in pairs]), np.array([error for _, error in pairs])


def _mean(row: FloatArray, classes: IntArray, clusters: IntArray) -> tuple[float, float]:
    if not np.isfinite(row).all():
        return float("nan"), float("nan")
    sizes = np.bincount(classes)
    means = np.bincount(classes, weights=row) / np.maximum(sizes, 1)
    there = sizes > 0
    influence = (row - means[classes]) * len(row) / (sizes[classes] * int(there.sum()))
    return float(means[there].mean()), _error(influence, clusters)


def _error(influence: FloatArray, clusters: IntArray) -> float:
    """Return the standard error over clusters; nan where rows do not differ beyond rounding."""
    if np.abs(influence).max() < ROUNDING * len(influence):
        return float("nan")
    return same_point_error(influence, clusters)


def regret(
    score: Score, layers: tuple[str, ...], choice: str, layer: str, clusters: IntArray
) -> Regret:
    """Return what a choice loses against the best layer.

    Notes
    -----
    The best layer is picked on the very rows it is scored on, so the regret is never negative and
    on average too large, the more so the fewer rows and the more layers there are.
    """
    at = layers.index(layer)
    if not np.isfinite(score.values).any():
        return Regret(score.name, choice, layer, "", float("nan"), float("nan"))
    best = int(np.nanargmax(score.values))
    gap = score.correct[best] - score.correct[at]
    value = float(gap.mean())
    known = best != at and np.isfinite(value)
    error = _error(gap - value, clusters) if known else float("nan")
    return Regret(score.name, choice, layer, layers[best], value, error)
