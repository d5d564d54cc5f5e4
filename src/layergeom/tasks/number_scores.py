"""Scores of layers by numbers: the mean of neighbours, ridge regression, and the nearest row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import FloatArray, IntArray
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_kinds import LabelType
from layergeom.tasks.contributions import explained, rank_correlation
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits
from layergeom.tasks.evaluation_settings import EvaluationSettings
from layergeom.tasks.neighbor_votes import memberships
from layergeom.tasks.ridge_probe import ALPHAS, Named, out_of_fold
from layergeom.tasks.targets import NumberTarget
from layergeom.written import counted

_OF_METRIC: Mapping[str, tuple[str, ...]] = {
    "knn": ("knn_r2", "knn_spearman"),
    "linear_probe": ("linear_probe_r2", "linear_probe_spearman"),
    "retrieval": ("retrieval_spearman",),
}


class NumberScores:
    """How well numbers are predicted (see :class:`layergeom.tasks.scoring.Scoring`).

    ``knn`` predicts the mean of the k nearest rows, ``linear_probe`` by ridge regression in folds
    that share out tenths of the numbers, ``retrieval`` the number of the nearest row. R² and
    Spearman's ρ are of all predictions of a layer together.
    """

    label_type: LabelType = "number"
    chosen: Mapping[str, Any] = {"alpha": ALPHAS}

    def __init__(self, target: NumberTarget) -> None:
        self._y = target.values

    def names(self, settings: EvaluationSettings) -> tuple[str, ...]:
        """R² and Spearman's ρ of each metric, of retrieval ρ."""
        return tuple(name for metric in settings.metrics for name in _OF_METRIC[metric])

    def at(
        self,
        hidden: HiddenStates,
        layer: str,
        given: EvaluatedRows,
        settings: EvaluationSettings,
        splits: Splits,
    ) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
        """Pseudo-values of each scored row."""
        X, y = hidden[layer], self._y[given.scored]
        found: dict[str, FloatArray] = {}
        told: tuple[str, ...] = ()
        if settings.neighbors:
            nearest, several = memberships(hidden, layer, X, given, settings.k)
            told = _alone(several)
            by_mean = self._means(several, given)
            found["knn_r2"] = explained(y, by_mean, self._heard(several, given, by_mean))
            found["knn_spearman"] = rank_correlation(y, by_mean)
            found["retrieval_spearman"] = rank_correlation(y, self._means(nearest, given))
        if "linear_probe" in settings.metrics:
            whole = out_of_fold(
                X[given.rows], self._y[:, None], given, splits, settings.seed, _nearness
            )
            probe = whole[given.scored, 0]
            found["linear_probe_r2"] = explained(y, probe)
            found["linear_probe_spearman"] = rank_correlation(y, probe)
        return found, told

    def _means(self, members: sp.csr_array, given: EvaluatedRows) -> FloatArray:
        """Mean number of the neighbours; where a row has none, of all that it might learn from."""
        weights = np.asarray(members.sum(axis=1)).reshape(-1)
        learn = slice(None) if given.train is None else given.train
        means = np.asarray(members @ self._y) / np.maximum(weights, 1e-9)
        return np.where(weights > 0, means, self._y[learn].mean())

    def _heard(
        self, members: sp.csr_array, given: EvaluatedRows, predicted: FloatArray
    ) -> FloatArray | float:
        """Return what rows add to the squared errors of the rows whose neighbours they are."""
        if given.train is not None:
            return 0.0  # scored rows are nobody's neighbours
        pairs = members.tocoo()
        weights = pairs.data / np.asarray(members.sum(axis=1)).reshape(-1)[pairs.row]
        missed = (self._y - predicted)[pairs.row]
        beside = self._y[pairs.col] - predicted[pairs.row]
        heard = np.bincount(pairs.col, -2 * missed * weights * beside, len(self._y))
        return np.asarray(heard, dtype=np.float64)

    def chances(self, given: EvaluatedRows) -> dict[str, float]:  # noqa: ARG002 - as the others
        """0, for R² and for ρ."""
        return dict.fromkeys((name for names in _OF_METRIC.values() for name in names), 0.0)

    def classes(self, given: EvaluatedRows) -> IntArray:
        """One class of all rows."""
        return np.zeros(len(given.scored), dtype=np.int64)

    def counts(self, given: EvaluatedRows) -> dict[str, int]:
        """Different numbers among the scored rows."""
        return {"different_numbers": len(np.unique(self._y[given.scored]))}


def _nearness(truth: FloatArray, predicted: FloatArray) -> tuple[float, Named]:
    return -float(((truth - predicted) ** 2).mean()), np.asarray


def _alone(members: sp.csr_array) -> tuple[str, ...]:
    alone = int((np.asarray(members.sum(axis=1)).reshape(-1) == 0).sum())
    rows = counted(alone, "row has", "rows have")
    told = f"{rows} no admissible neighbour; there the mean of all is predicted."
    return (told,) if alone else ()
