"""Scores of single queries at every layer, and their means with losses and bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from layergeom.arrays import FloatArray, IntArray, count
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.geometry.cosine_search import Ranking, ranked_by_cosine
from layergeom.geometry.paired_bootstrap import MeanBounds, mean_bounds
from layergeom.geometry.ranking_scores import (
    Relevance,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from layergeom.measure import Progress
from layergeom.states.hidden import HiddenStates
from layergeom.tasks.retrieval_result import Losses, RetrievalScore
from layergeom.written import counted

Identical: TypeAlias = Literal["auto", "exclude", "keep"]
METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@100")
QUANTITIES: dict[str, Callable[[FloatArray, Relevance, int], FloatArray]] = {
    "ndcg": lambda gains, relevance, k: ndcg(gains, relevance.ideal, k),
    "mrr": lambda gains, _, k: reciprocal_rank(gains, k),
    "recall": lambda gains, relevance, k: recall(gains, relevance.relevant, k),
    "precision": lambda gains, _, k: precision(gains, k),
}


@dataclass(frozen=True)
class RetrievalSettings:
    """What scores and their bounds are made with."""

    metrics: tuple[str, ...] = METRICS
    truth: int = 10
    identical_ids: Identical = "auto"
    draws: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.metrics or ("",):
            cut(name)
        if len(set(self.metrics)) < len(self.metrics):
            raise InputError(f"metrics name one twice: {', '.join(self.metrics)}.")
        for name, low in (("truth", 1), ("draws", 100), ("seed", 0)):
            object.__setattr__(self, name, count(getattr(self, name), name, low))
        if self.identical_ids not in get_args(Identical):
            raise InputError(
                f"identical_ids must be one of {', '.join(get_args(Identical))} but is "
                f"{self.identical_ids!r}."
            )
        if not 0.5 < self.confidence < 1:
            raise InputError(f"confidence must lie between 0.5 and 1 but is {self.confidence!r}.")

    @property
    def depth(self) -> int:
        """Documents of each query that the scores look at."""
        return max(self.truth, *(cut(name)[1] for name in self.metrics))


def cut(name: str) -> tuple[str, int]:
    """Return the quantity and the cut of a score's name.

    Examples
    --------
    >>> cut("recall@100")
    ('recall', 100)
    """
    parts = re.fullmatch(r"([a-z]+)@([1-9][0-9]{0,4})", name)
    if parts is None or parts[1] not in QUANTITIES:
        known = ", ".join(f"{quantity}@10" for quantity in QUANTITIES)
        raise InputError(f"there is no retrieval score {name!r}; scores are {known}, at any cut.")
    return parts[1], int(parts[2])


class Sides(NamedTuple):
    """Both sides of the search, and the rows of the queries that are scored.

    ``own`` is the document that each of these queries never gets, -1 for none; None where that is
    so for all.
    """

    corpus: HiddenStates
    queries: HiddenStates
    rows: IntArray
    own: IntArray | None


class LayerScores(NamedTuple):
    """What single queries score: (L, q) by name, nan for a layer without; ties; and what to say."""

    scores: dict[str, FloatArray]
    ties: list[int]
    told: list[str]


def layer_scores(
    sides: Sides, relevance: Relevance, settings: RetrievalSettings, progress: Progress | None
) -> LayerScores:
    """Rank by every layer and score every query."""
    layers = sides.corpus.layers
    shape = (len(layers), len(sides.rows))
    found = LayerScores(
        {name: np.full(shape, np.nan) for name in settings.metrics}, [0] * len(layers), []
    )
    for at, layer in enumerate(layers):
        try:
            ranking = ranking_at(sides, layer, settings.depth)
        except StoreError:
            raise
        except (InputError, DegenerateError) as error:
            found.told.append(f"{layer} has no scores: {error}")
            continue
        gains = relevance.gains_of(ranking.documents)
        found.ties[at] = _undecided(ranking, gains)
        found.told.extend(_directionless(layer, ranking))
        for name in settings.metrics:
            quantity, k = cut(name)
            found.scores[name][at] = QUANTITIES[quantity](gains, relevance, k)
        if progress is not None:
            progress(at + 1, len(layers), "layers searched")
    return found


def ranking_at(sides: Sides, layer: str, depth: int) -> Ranking:
    """Return the first documents of every scored query at one layer."""
    documents, n = sides.corpus[layer], sides.corpus.n
    asked = sides.queries[layer][sides.rows]
    names = None if sides.own is None else np.where(sides.own >= 0, sides.own, n + sides.rows)
    return ranked_by_cosine(
        asked,
        documents,
        depth,
        query_names=names,
        names=None if names is None else np.arange(n),
        stand_ins=_first_of_input(sides.corpus.inputs),
    )


def _first_of_input(inputs: Sequence[str] | None) -> IntArray | None:
    """Return the first row of each row's text: batches round its copies differently."""
    if inputs is None or len(set(inputs)) == len(inputs):
        return None
    _, first, of_input = np.unique(np.array(inputs), return_index=True, return_inverse=True)
    return np.asarray(first[of_input])


def _undecided(ranking: Ranking, gains: FloatArray) -> int:
    """Count the queries in whose list neighbouring documents tie and are judged differently."""
    level = np.diff(ranking.cosines, axis=1) == 0
    return int((level & (np.diff(gains, axis=1) != 0)).any(axis=1).sum())


def _directionless(layer: str, ranking: Ranking) -> list[str]:
    queries, documents = ranking.directionless
    told = []
    if queries:
        some = counted(queries, "query has", "queries have")
        told.append(f"{layer}: {some} norm 0: nothing is found, and the score is 0.")
    if documents:
        some = counted(documents, "document has", "documents have")
        told.append(f"{layer}: {some} norm 0: never found.")
    return told


def retrieval_score(
    name: str, per_query: FloatArray, layers: Sequence[str], settings: RetrievalSettings
) -> RetrievalScore:
    """Return the means of one score, what layers lose, and their bounds.

    Parameters
    ----------
    name : str
        Of the score.
    per_query : ndarray, shape (L, q)
        A layer of nan has no score.
    layers : sequence of L str
        Their names.
    settings : RetrievalSettings
        Draws, confidence and seed: the same resamples for every layer.
    """
    means = _bounds(per_query, settings)
    last = len(layers) - 1
    best = int(np.nanargmax(means.values))
    best = last if means.values[last] == means.values[best] else best
    loss, to_best = (
        _losses(per_query[at] - per_query, layers[at], settings) for at in (last, best)
    )
    return RetrievalScore(
        name, means.values, means.errors, means.low, means.high, per_query, loss, to_best
    )


def _bounds(rows: FloatArray, settings: RetrievalSettings) -> MeanBounds:
    return mean_bounds(rows, settings.draws, settings.seed, settings.confidence)


def _losses(lost: FloatArray, against: str, settings: RetrievalSettings) -> Losses:
    found = _bounds(lost, settings)
    return Losses(against, found.values, found.errors, found.low, found.high, found.upper)
