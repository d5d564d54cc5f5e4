"""Whether the chosen layer is a good one: classes by layer, and the regret of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from layergeom.arrays import FloatArray, IntArray, count
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.measure import Progress
from layergeom.states.hidden import HiddenStates
from layergeom.tasks.evaluated_rows import EvaluatedRows, Splits, evaluated_rows
from layergeom.tasks.evaluated_states import Reading, RowFacts, evaluated_states
from layergeom.tasks.linear_probe import STRENGTHS, probed
from layergeom.tasks.neighbor_votes import (
    chance_of_a_row,
    memberships,
    right_shares,
    right_votes,
)
from layergeom.tasks.scores import Regret, Score, regret, score_of
from layergeom.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

Metric: TypeAlias = Literal["knn", "linear_probe", "retrieval"]
METRICS: tuple[Metric, ...] = get_args(Metric)
UNBALANCED = 1.5  # largest class over smallest: from here on macro scores are shown


@dataclass(frozen=True)
class EvaluationSettings:
    """What scores are made with: metrics, neighbours, folds and the seed of the folds."""

    metrics: tuple[Metric, ...] = METRICS
    k: int = 10
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.metrics or set(self.metrics) - set(METRICS):
            raise InputError(
                f"metrics must be among {', '.join(METRICS)} but are {', '.join(self.metrics)!r}."
            )
        for name, low in (("k", 1), ("folds", 2), ("seed", 0)):
            object.__setattr__(self, name, count(getattr(self, name), name, low))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of every layer with their errors, and what choices of layer lose.

    Attributes
    ----------
    layers : tuple of str
        From the input to the output.
    scores : mapping of str to Score
        By metric.
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
    """

    layers: tuple[str, ...]
    scores: Mapping[str, Score]
    regrets: tuple[Regret, ...]
    choices: Mapping[str, str]
    counts: Mapping[str, int]
    errors_of: str
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def unbalanced(self) -> bool:
        """Whether the largest class has half as many rows again as the smallest, or more."""
        return self.counts["largest_class"] >= UNBALANCED * self.counts["smallest_class"]

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per layer: every score with its ``_error``, and its macro form."""
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
    labels: Any,
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
        With ``data``: hub id, local folder or loaded module. Without: the folder of a run,
        HiddenStates, or whatever :func:`layergeom.states.stored.stored_states` reads.
    data : path, list or dataset, optional
        What the model is run on.
    labels : column, file, "file:column" or sequence
        Class of each row; of a run's folder a file (joined by id) or a sequence.
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
        remote homology).
    k, folds : int
        Of kNN and of the linear probe; classes with fewer rows than folds are left out.
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
        For an unknown metric or layer, or labels, groups or a split that do not fit the rows.
    DegenerateError
        If fewer than two classes can be scored, or no layer.

    Notes
    -----
    All scores are of the same rows, and neighbours are looked for among the rows that have a class
    only. Errors are over rows, or over groups; the fitted probes and the set of neighbours count
    as given. The regret picks the best layer on the rows it is scored on, which makes it too large
    on average. Cost: two searches per layer, one of them the profile's own, and 5 · ``folds`` fits.

    When it misleads: many near-copies across the classes' rows raise all scores; give groups.
    """
    settings = EvaluationSettings(tuple(metrics), k, folds, seed)
    found = evaluated_states(
        model,
        data,
        RowFacts(labels, groups, exclude, split),
        Reading(text_column, max_samples, seed),
        folder,
        options,
        progress,
    )
    hidden = found.states
    given = evaluated_rows(hidden.n, *found.facts, inputs=hidden.inputs, folds=settings.folds)
    choices, told = found.choices(layer, progress)
    right, more = _right(hidden, given, settings, progress)
    warnings = (*hidden.warnings, *given.warnings, *told, *more)
    return _evaluation(hidden, given, settings, choices, right, warnings)


def _right(
    hidden: HiddenStates,
    given: EvaluatedRows,
    settings: EvaluationSettings,
    progress: Progress | None,
) -> tuple[dict[Metric, FloatArray], tuple[str, ...]]:
    """Return what comes out right, (L, s) by metric; a layer that has no score is nan."""
    right = {
        name: np.full((len(hidden.layers), len(given.scored)), np.nan) for name in settings.metrics
    }
    splits = given.splits(settings.folds, settings.seed)
    told: list[str] = []
    for at, layer in enumerate(hidden.layers):
        try:
            found, more = _right_at(hidden, layer, given, settings, splits)
            told.extend(f"{layer}: {line}" for line in more)
        except StoreError:
            raise
        except (InputError, DegenerateError) as error:
            told.append(f"{layer} has no scores: {error}")
            continue
        for name, row in found.items():
            right[name][at] = row
        if progress is not None:
            progress(at + 1, len(hidden.layers), "layers evaluated")
    return right, tuple(told)


def _right_at(
    hidden: HiddenStates,
    layer: str,
    given: EvaluatedRows,
    settings: EvaluationSettings,
    splits: Splits,
) -> tuple[dict[Metric, FloatArray], tuple[str, ...]]:
    found: dict[Metric, FloatArray] = {}
    told: tuple[str, ...] = ()
    X = hidden[layer]
    if {"knn", "retrieval"} & set(settings.metrics):
        nearest, several = memberships(hidden, layer, X, given, settings.k)
        found = {"knn": right_votes(several, given), "retrieval": right_shares(nearest, given)}
    if "linear_probe" in settings.metrics:
        found["linear_probe"], told = probed(X[given.rows], given, splits, settings.seed)
    return {name: found[name] for name in settings.metrics}, told


def _evaluation(
    hidden: HiddenStates,
    given: EvaluatedRows,
    settings: EvaluationSettings,
    choices: Mapping[str, str],
    right: Mapping[Metric, FloatArray],
    warnings: tuple[str, ...],
) -> Evaluation:
    codes, clusters = given.codes[given.scored], given.clusters
    sizes = np.bincount(codes)
    most = float(sizes.max() / len(codes))
    scores: dict[str, Score] = {
        name: score_of(
            name, row, codes, clusters, chance_of_a_row(given) if name == "retrieval" else most
        )
        for name, row in right.items()
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
        counts=_counts(given, sizes),
        errors_of=_errors_of(given),
        warnings=warnings,
        provenance=_provenance(hidden, given, settings),
    )


def _counts(given: EvaluatedRows, sizes: IntArray) -> dict[str, int]:
    there = sizes[sizes > 0]
    return {
        "rows": len(given.scored),
        "rows_of_states": given.total,
        "classes": len(there),
        "largest_class": int(there.max()),
        "smallest_class": int(there.min()),
        "groups": len(np.unique(given.clusters)),
        **given.counts,
    }


def _errors_of(given: EvaluatedRows) -> str:
    if given.groups is None:
        return f"{len(given.scored):,} rows, each for itself"
    return f"{len(np.unique(given.clusters)):,} groups of {len(given.scored):,} rows"


def _provenance(
    hidden: HiddenStates, given: EvaluatedRows, settings: EvaluationSettings
) -> dict[str, Any]:
    import sklearn

    return {
        "states": dict(hidden.provenance) | {"key": hidden.key},
        "settings": asdict(settings) | {"split": given.train is not None, "C": STRENGTHS},
        "versions": {
            "layergeom": VERSION,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }
