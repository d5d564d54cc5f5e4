"""Scores of layers by several labels per row: votes per label, ridge regression, and Jaccard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry.label_sets import any_two, jaccards
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_kinds import LabelType
from layergeom.tasks.contributions import micro_f1
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits
from layergeom.tasks.evaluation_settings import EvaluationSettings
from layergeom.tasks.neighbor_votes import memberships
from layergeom.tasks.ridge_probe import ALPHAS, Named, out_of_fold
from layergeom.tasks.targets import SetTarget

ROUNDING = 1e-9  # votes are sums of whole numbers and of shares of ties
MAJORITY = 0.5  # share of the neighbours from which a label is named
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)  # of the ridge's predictions of 0 and 1; chosen within folds
_OF_METRIC: Mapping[str, tuple[str, ...]] = {
    "knn": ("knn_f1", "knn_jaccard"),
    "linear_probe": ("linear_probe_f1",),
    "retrieval": ("retrieval_jaccard",),
}


class SetScores:
    """How well labels are named (see :class:`layergeom.tasks.scoring.Scoring`).

    ``knn`` names a label that at least half of the k nearest rows have, and gives the mean Jaccard
    index of a row and these; ``linear_probe`` predicts 0 or 1 for every label by ridge regression
    and names those above a threshold that, like the penalty, is chosen within the training rows;
    ``retrieval`` is the Jaccard index of a row and the nearest. F1 is micro-averaged: over all rows
    and labels together.
    """

    label_type: LabelType = "multi"
    chosen: Mapping[str, Any] = {
        "alpha": ALPHAS,
        "thresholds": THRESHOLDS,
        "majority": MAJORITY,
    }

    def __init__(self, target: SetTarget) -> None:
        self._table = target.table

    def names(self, settings: EvaluationSettings) -> tuple[str, ...]:
        """F1 and Jaccard index of kNN, F1 of the probe, Jaccard index of retrieval."""
        return tuple(name for metric in settings.metrics for name in _OF_METRIC[metric])

    def at(
        self,
        hidden: HiddenStates,
        layer: str,
        given: EvaluatedRows,
        settings: EvaluationSettings,
        splits: Splits,
    ) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
        """Pseudo-values of F1, and Jaccard indices, of each scored row."""
        X = hidden[layer]
        found: dict[str, FloatArray] = {}
        if settings.neighbors:
            nearest, several = memberships(hidden, layer, X, given, settings.k)
            found["knn_f1"] = self._f1(_voted(several, self._table), given)
            found["knn_jaccard"] = self._shared(several, given)
            found["retrieval_jaccard"] = self._shared(nearest, given)
        if "linear_probe" in settings.metrics:
            Y = self._table.toarray()
            named = out_of_fold(X[given.rows], Y, given, splits, settings.seed, _best_threshold)
            found["linear_probe_f1"] = self._f1(sp.csr_array(named[given.scored]), given)
        return found, ()

    def chances(self, given: EvaluatedRows) -> dict[str, float]:
        """F1 of the best set of labels that is the same for all; Jaccard index of random rows."""
        constant, drawn = self._constant(given), self._drawn(given)
        return {
            **dict.fromkeys(("knn_f1", "linear_probe_f1"), constant),
            **dict.fromkeys(("knn_jaccard", "retrieval_jaccard"), drawn),
        }

    def classes(self, given: EvaluatedRows) -> IntArray:
        """One class of all rows."""
        return np.zeros(len(given.scored), dtype=np.int64)

    def counts(self, given: EvaluatedRows) -> dict[str, int]:
        """Labels that are scored, and how many of them the scored rows have in all."""
        truth = self._table[given.scored]
        return {"labels": truth.shape[1], "labels_of_rows": int(truth.nnz)}

    def _constant(self, given: EvaluatedRows) -> float:
        sizes = np.sort(np.asarray(self._table[given.scored].sum(axis=0)).reshape(-1))[::-1]
        named = len(given.scored) * np.arange(1, len(sizes) + 1)
        return float((2 * np.cumsum(sizes) / (named + sizes.sum())).max())

    def _drawn(self, given: EvaluatedRows) -> float:
        learn = given.scored if given.train is None else np.flatnonzero(given.train)
        i, j = any_two(given.scored, learn)
        apart = i != j
        for codes in given.kin:
            apart &= codes[i] != codes[j]
        return float(jaccards(self._table, i[apart], j[apart]).mean()) if apart.any() else np.nan

    def _f1(self, named: sp.csr_array, given: EvaluatedRows) -> FloatArray:
        truth = self._table[given.scored]
        hits = _row_sums(truth.multiply(named))
        return micro_f1(hits, _row_sums(truth) + _row_sums(named))

    def _shared(self, members: sp.csr_array, given: EvaluatedRows) -> FloatArray:
        """Return the mean Jaccard index of each row and its neighbours, and what it adds to theirs.

        That is how far it lies, as their neighbour, from what their other neighbours give.
        """
        pairs = members.tocoo()
        columns = pairs.col.astype(np.int64)
        shared = jaccards(self._table, given.scored[pairs.row], columns)
        weights = pairs.data / np.maximum(_row_sums(members), ROUNDING)[pairs.row]
        sums = np.bincount(pairs.row, weights * shared, len(given.scored))
        means = np.asarray(sums, dtype=np.float64)
        if given.train is not None:
            return means  # scored rows are nobody's neighbours
        beside = weights * (shared - means[pairs.row])
        return np.asarray(means + np.bincount(columns, beside, len(means)))


def _voted(members: sp.csr_array, table: sp.csr_array) -> sp.csr_array:
    """Return the labels that at least half of a row's neighbours have: (s, L), 0 or 1."""
    votes = sp.csr_array(members @ table)
    needed = MAJORITY * _row_sums(members) - ROUNDING
    rows = np.repeat(np.arange(votes.shape[0]), np.diff(votes.indptr))
    votes.data = (votes.data >= needed[rows]).astype(np.float64)
    return votes


def _best_threshold(truth: FloatArray, predicted: FloatArray) -> tuple[float, Named]:
    """Return the highest micro F1 over the thresholds, and the naming by that threshold."""
    found = []
    for threshold in THRESHOLDS[::-1]:
        named = predicted >= threshold
        found.append(2 * float(truth[named].sum()) / max(float(named.sum() + truth.sum()), 1))
    best = int(np.argmax(found))
    return found[best], partial(_above, THRESHOLDS[::-1][best])


def _above(threshold: float, predicted: FloatArray) -> FloatArray:
    return (predicted >= threshold).astype(np.float64)


def _row_sums(matrix: Any) -> FloatArray:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).reshape(-1)
