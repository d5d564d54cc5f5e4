"""Scores of layers by classes: votes, a linear probe, and the class of the nearest row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_kinds import LabelType
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits
from layergeom.tasks.evaluation_settings import EvaluationSettings
from layergeom.tasks.linear_probe import STRENGTHS, probed
from layergeom.tasks.neighbor_votes import (
    chance_of_a_row,
    memberships,
    right_shares,
    right_votes,
)


class ClassScores:
    """What comes out right of the classes (see :class:`layergeom.tasks.scoring.Scoring`)."""

    label_type: LabelType = "class"
    chosen: Mapping[str, Any] = {"C": STRENGTHS}

    def names(self, settings: EvaluationSettings) -> tuple[str, ...]:
        """Those of the metrics."""
        return settings.metrics

    def at(
        self,
        hidden: HiddenStates,
        layer: str,
        given: EvaluatedRows,
        settings: EvaluationSettings,
        splits: Splits,
    ) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
        """Right (1), wrong (0), or between for each scored row."""
        found: dict[str, FloatArray] = {}
        told: tuple[str, ...] = ()
        X = hidden[layer]
        if settings.neighbors:
            nearest, several = memberships(hidden, layer, X, given, settings.k)
            found = {"knn": right_votes(several, given), "retrieval": right_shares(nearest, given)}
        if "linear_probe" in settings.metrics:
            found["linear_probe"], told = probed(X[given.rows], given, splits, settings.seed)
        return found, told

    def chances(self, given: EvaluatedRows) -> dict[str, float]:
        """Share of the largest class; of retrieval that of a row drawn at random."""
        most = float(_sizes(given).max() / len(given.scored))
        return {"knn": most, "linear_probe": most, "retrieval": chance_of_a_row(given)}

    def classes(self, given: EvaluatedRows) -> IntArray:
        """Classes of the scored rows, over which macro scores are means."""
        return given.codes[given.scored]

    def counts(self, given: EvaluatedRows) -> dict[str, int]:
        """Classes, the largest and the smallest."""
        sizes = _sizes(given)
        there = sizes[sizes > 0]
        return {
            "classes": len(there),
            "largest_class": int(there.max()),
            "smallest_class": int(there.min()),
        }


def _sizes(given: EvaluatedRows) -> IntArray:
    return np.bincount(given.codes[given.scored])
