"""How layers are scored, by what the labels are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from layergeom.arrays import FloatArray, IntArray
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_kinds import LabelType
from layergeom.tasks.class_scores import ClassScores
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits
from layergeom.tasks.evaluation_settings import EvaluationSettings
from layergeom.tasks.number_scores import NumberScores
from layergeom.tasks.set_scores import SetScores
from layergeom.tasks.targets import NumberTarget, SetTarget, Target


class Scoring(Protocol):
    """Scores of one kind of labels."""

    @property
    def label_type(self) -> LabelType:
        """The kind."""

    @property
    def chosen(self) -> Mapping[str, Any]:
        """What is chosen within folds, or fixed, for the provenance."""

    def names(self, settings: EvaluationSettings) -> tuple[str, ...]:
        """Return the names of the scores, in the order of the metrics."""

    def at(
        self,
        hidden: HiddenStates,
        layer: str,
        given: EvaluatedRows,
        settings: EvaluationSettings,
        splits: Splits,
    ) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
        """Return what each scored row adds to each score, (s,), and warnings."""

    def chances(self, given: EvaluatedRows) -> dict[str, float]:
        """Return what is reached without the states, by score."""

    def classes(self, given: EvaluatedRows) -> IntArray:
        """Return over what macro scores are means: (s,)."""

    def counts(self, given: EvaluatedRows) -> dict[str, int]:
        """Return what the labels of the scored rows are, in numbers."""


def scoring_of(target: Target) -> Scoring:
    """Return how rows with such labels are scored."""
    if isinstance(target, NumberTarget):
        return NumberScores(target)
    if isinstance(target, SetTarget):
        return SetScores(target)
    return ClassScores()
