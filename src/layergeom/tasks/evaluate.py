"""Whether the chosen layer is a good one: classes by layer, and the regret of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.measure import Progress
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_kinds import LabelType
from layergeom.tasks.evaluated_rows import EvaluatedRows, evaluated_rows
from layergeom.tasks.evaluated_states import Reading, RowFacts, evaluated_states
from layergeom.tasks.evaluation_settings import METRICS as METRICS
from layergeom.tasks.evaluation_settings import EvaluationSettings, Metric
from layergeom.tasks.scores import Regret, Score, regret, score_of
from layergeom.tasks.scoring import Scoring, scoring_of
from layergeom.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

UNBALANCED = 1.5  # largest class over smallest: from here on macro scores are shown


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of every layer with their errors, and what choices of layer lose.

    Attributes
    ----------
    layers : tuple of str
        From the input to the output.
    scores : mapping of str to Score
        By metric; of numbers and of several labels per row by metric and measure, such as
        ``knn_r2``, ``knn_spearman``, ``knn_f1``, ``knn_jaccard``.
    regrets : tuple of Regret
        Of every choice by every metric.
    choices : mapping of str to str
        ``recommended``, ``last``, ``middle``, ``embedding``: their layers.
    counts : mapping of str to int
        Rows scored, classes, largest and smallest class, groups, rows left out.
    errors_of : str
        What the standard errors are taken over.
    warnings : tuple of str
        What was left out, assumed or not finished.
    provenance : mapping
        States, settings, versions.
    label_type : {"class", "number", "multi"}
        What the labels are.
    """

    layers: tuple[str, ...]
    scores: Mapping[str, Score]
    regrets: tuple[Regret, ...]
    choices: Mapping[str, str]
    counts: Mapping[str, int]
    errors_of: str
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]
    label_type: LabelType = "class"

    @property
    def unbalanced(self) -> bool:
        """Whether the largest class has half as many rows again as the smallest, or more."""
        if self.label_type != "class":
            return False
        return self.counts["largest_class"] >= UNBALANCED * self.counts["smallest_class"]

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per layer: every score with its ``_error``, of classes its macro form."""
        of_classes = self.label_type == "class"
        return [
            {"layer": layer}
            | {
                f"{name}{suffix}": float(values[at])
                for name, score in self.scores.items()
                for suffix, values in (
                    ("", score.values),
                    ("_error", score.errors),
                    ("_macro", score.macro),
                    ("_macro_error", score.macro_errors),
                )
                if of_classes or not suffix.startswith("_macro")
            }
            for at, layer in enumerate(self.layers)
        ]

    def facts(self) -> dict[str, Any]:
        """Return all but the single rows as plain values, for JSON; nan where unknown."""
        return {
            "layers": self.rows(),
            "regrets": [asdict(found) for found in self.regrets],
            "choices": dict(self.choices),
            "chance": {name: score.chance for name, score in self.scores.items()},
            "counts": dict(self.counts),
            "errors_of": self.errors_of,
            "label_type": self.label_type,
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the table of :meth:`rows` as a pandas DataFrame indexed by layer."""
        import pandas as pd

        return pd.DataFrame(self.rows()).set_index("layer")


def evaluate(
    model: Any,
    data: Any = None,
    *,
    labels: Any = None,
    label_type: LabelType | None = None,
    groups: Any = None,
    exclude: Any = None,
    split: Any = None,
    metrics: Sequence[Metric] = METRICS,
    k: int = 10,
    folds: int = 5,
    seed: int = 0,
    layer: str | None = None,
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = None,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Evaluation:
    """Score every layer by its labels, and say what the unsupervised choice loses.

    Parameters
    ----------
    model : object
        With ``data``: hub id, local folder or loaded module. Without: the folder of a run, a
        profile that was made with a folder or loaded, HiddenStates, or whatever
        :func:`layergeom.states.stored.stored_states` reads.
    data : path, list or dataset, optional
        What the model is run on.
    labels : column, file, "file:column" or sequence
        Class, number or several labels of each row. Without ``data`` a name is that of labels that
        the run was made with; left out, they are the only ones that it was made with.
    label_type : {"class", "number", "multi"}, optional
        What the labels are; inferred unless given, and then said in the warnings.
    groups : the same, optional
        Rows that no split may cut, that are no neighbours of each other and whose errors go
        together (cluster, document). By default those that the states know, of single tokens
        their sequences; without any, those excluded, and else repeated inputs.
    exclude : the same, optional
        Further rows that are no neighbours of each other (family within superfamily).
    split : the same, optional
        "train" or "test" by row, in place of folds: test rows are scored, train rows learnt from.
    metrics : sequence of {"knn", "linear_probe", "retrieval"}
        kNN: vote of the k nearest rows. Linear probe: logistic regression in ``folds`` folds.
        Retrieval: whether the nearest admissible row has the class (Valeriani et al. 2023,
        remote homology). Of numbers, R² and Spearman's ρ of kNN and ridge regression
        (:class:`layergeom.tasks.number_scores.NumberScores`); of several labels per row, micro F1
        and Jaccard indices (:class:`layergeom.tasks.set_scores.SetScores`).
    k, folds : int
        Of kNN and of the linear probe; classes, or single ones of several labels, with fewer rows
        than folds are left out.
    seed : int
        Of the folds.
    layer : str, optional
        The choice whose regret is taken; by default the recommendation of the run, or of a profile
        made now, which sees no labels.
    text_column, max_samples, folder, progress, **options
        As :func:`layergeom.profile`.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        For an unknown metric or layer, labels, groups or a split that do not fit the rows, or
        labels that are left out where a run was made with none, or with several.
    DegenerateError
        If fewer than two classes, labels or numbers can be scored, or no layer.

    Notes
    -----
    All scores are of the same rows, and neighbours are looked for among the rows that have a class
    only. Errors are over rows, or over groups; the fitted probes and the set of neighbours count
    as given (but for ``knn_r2`` and ``knn_jaccard``, where rows speak as neighbours too). The
    regret picks the best layer on the rows it is scored on, which makes it too large on average.
    Cost: two searches per layer, one of them the profile's own, and 5 · ``folds`` fits.

    When it misleads: many near-copies across the classes' rows raise all scores; give groups.
    """
    settings = EvaluationSettings(tuple(metrics), k, folds, seed)
    found = evaluated_states(
        model,
        data,
        RowFacts(labels, groups, exclude, split),
        Reading(text_column, max_samples, seed, label_type),
        folder,
        options,
        progress,
    )
    hidden = found.states
    given = evaluated_rows(hidden.n, *found.facts, inputs=hidden.inputs, folds=settings.folds)
    scoring = scoring_of(given.target)
    choices, told = found.choices(layer, progress)
    added, more = _added(hidden, given, settings, scoring, progress)
    warnings = (*hidden.warnings, *given.warnings, *told, *more)
    made = _evaluation(hidden, given, settings, scoring, choices, added, warnings)
    sources = {role: source._asdict() for role, source in found.sources.items()}
    return replace(made, provenance={**made.provenance, "sources": sources})


def _added(
    hidden: HiddenStates,
    given: EvaluatedRows,
    settings: EvaluationSettings,
    scoring: Scoring,
    progress: Progress | None,
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Return what rows add to the scores, (L, s) by score; a layer that has no score is nan."""
    names = scoring.names(settings)
    added = {name: np.full((len(hidden.layers), len(given.scored)), np.nan) for name in names}
    splits = given.splits(settings.folds, settings.seed)
    told: list[str] = []
    for at, layer in enumerate(hidden.layers):
        try:
            found, more = scoring.at(hidden, layer, given, settings, splits)
            told.extend(f"{layer}: {line}" for line in more)
        except StoreError:
            raise
        except (InputError, DegenerateError) as error:
            told.append(f"{layer} has no scores: {error}")
            continue
        for name in names:
            added[name][at] = found[name]
        if progress is not None:
            progress(at + 1, len(hidden.layers), "layers evaluated")
    return added, tuple(told)


def _evaluation(
    hidden: HiddenStates,
    given: EvaluatedRows,
    settings: EvaluationSettings,
    scoring: Scoring,
    choices: Mapping[str, str],
    added: Mapping[str, FloatArray],
    warnings: tuple[str, ...],
) -> Evaluation:
    chances, classes, clusters = scoring.chances(given), scoring.classes(given), given.clusters
    scores = {
        name: score_of(name, rows, classes, clusters, chances[name]) for name, rows in added.items()
    }
    if not any(np.isfinite(score.values).any() for score in scores.values()):
        raise DegenerateError(f"no layer can be scored: {'; '.join(warnings)}")
    return Evaluation(
        layers=hidden.layers,
        scores=scores,
        regrets=tuple(
            regret(score, hidden.layers, choice, layer, clusters)
            for score in scores.values()
            for choice, layer in choices.items()
        ),
        choices=choices,
        counts=_counts(given, scoring),
        errors_of=_errors_of(given),
        warnings=warnings,
        provenance=_provenance(hidden, given, settings, scoring),
        label_type=scoring.label_type,
    )


def _counts(given: EvaluatedRows, scoring: Scoring) -> dict[str, int]:
    return {
        "rows": len(given.scored),
        "rows_of_states": given.total,
        **scoring.counts(given),
        "groups": len(np.unique(given.clusters)),
        **given.counts,
    }


def _errors_of(given: EvaluatedRows) -> str:
    if given.groups is None:
        return f"{len(given.scored):,} rows, each for itself"
    return f"{len(np.unique(given.clusters)):,} groups of {len(given.scored):,} rows"


def _provenance(
    hidden: HiddenStates, given: EvaluatedRows, settings: EvaluationSettings, scoring: Scoring
) -> dict[str, Any]:
    import sklearn

    return {
        "states": dict(hidden.provenance) | {"key": hidden.key},
        "settings": asdict(settings) | {"split": given.train is not None, **scoring.chosen},
        "versions": {
            "layergeom": VERSION,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }
