"""Which rows of the queries are scored, what is relevant to them, and which document is their own.

Decided here: judgments of documents that are not in the corpus stay in the ideal ranking, as in
trec_eval and BEIR; queries without a relevant document are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError
from layergeom.geometry.ranking_scores import Relevance
from layergeom.states.judgments import Judgments
from layergeom.states.retrieval_texts import RetrievalTexts
from layergeom.tasks.retrieval_scores import Identical
from layergeom.written import counted

_SAID = {
    "queries_empty": ("query has", "queries have", "no text: left out."),
    "queries_without_relevant": ("query has", "queries have", "no relevant document: left out."),
    "queries_unknown": (
        "query that the judgments name is",
        "queries that the judgments name are",
        "not there.",
    ),
    "documents_empty": (
        "document has",
        "documents have",
        "no text: not in the index and never found.",
    ),
    "judged_missing": (
        "relevant document is",
        "relevant documents are",
        "not in the index: missed by every layer, so that no layer can reach 1.",
    ),
    "judgments_repeated": ("judgment repeats", "judgments repeat", "an earlier one."),
    "own_documents": (
        "query has a document of its own id",
        "queries have a document of their own id",
        "in the corpus, which is never returned there.",
    ),
    "queries_too_long": ("query was", "queries were", "left out for the length."),
}


@dataclass(frozen=True, eq=False)
class Judged:
    """The queries that are scored and what is relevant to them.

    Attributes
    ----------
    rows : ndarray, shape (q,)
        Their rows among the states of the queries.
    own : ndarray, shape (q,), or None
        The document that each never gets, -1 for none; None where that is so for all.
    pairs : (queries, documents, gains), or None
        Relevant pairs; None without judgments.
    documents : int
        Number of documents.
    counts : mapping of str to int
        What was left out or is missing.
    """

    rows: IntArray
    own: IntArray | None
    pairs: tuple[IntArray, IntArray, FloatArray] | None
    documents: int
    counts: Mapping[str, int]

    def relevance(self, depth: int) -> Relevance | None:
        """Return what is relevant by the judgments; None if there are none."""
        return None if self.pairs is None else Relevance.of(*self.pairs, self.documents, depth)

    def told(self, counts: Mapping[str, int]) -> tuple[str, ...]:
        """Say what was left out or is missing."""
        known = {name: counts.get(name, 0) for name in _SAID}
        return tuple(_told(number, *_SAID[name]) for name, number in known.items() if number)


def _told(number: int, one: str, many: str, what: str) -> str:
    return f"{counted(number, one, many)} {what}"


def scored_queries(
    ids: Sequence[str], judgments: Judgments | None
) -> tuple[list[str], dict[str, int]]:
    """Return the queries with a relevant document, in their order, and what was left out.

    Raises
    ------
    DegenerateError
        If there is none.
    """
    if judgments is None:
        return list(ids), {}
    with_some = {name for name, row in judgments.scores.items() if any(x > 0 for x in row.values())}
    found = [name for name in ids if name in with_some]
    if not found:
        raise DegenerateError(
            f"no query has a relevant document in {judgments.source}: {len(ids):,} queries, "
            f"{len(judgments.scores):,} judged; check that both speak of the same ids."
        )
    return found, {
        "queries_without_relevant": len(ids) - len(found),
        "queries_unknown": len(set(judgments.scores) - set(ids)),
        "judgments_repeated": judgments.repeated,
    }


def own_documents(
    corpus: RetrievalTexts, queries: RetrievalTexts, identical: Identical
) -> set[str]:
    """Return the ids whose query never gets the document of that id.

    By ``auto`` those whose document is the query itself: of one text, with or without its title.
    """
    if identical == "keep":
        return set()
    shared = [name for name in queries.ids if name in corpus.rows]
    if identical == "exclude":
        return set(shared)
    return {name for name in shared if _same(corpus, queries, name)}


def _same(corpus: RetrievalTexts, queries: RetrievalTexts, name: str) -> bool:
    row, text = corpus.rows[name], queries.texts[queries.rows[name]]
    return text in (corpus.texts[row], corpus.bodies[row])


def judged(
    documents: Sequence[str],
    queries: Sequence[str],
    judgments: Judgments | None,
    own: Set[str],
    rows_of: Sequence[str] | None = None,
) -> Judged:
    """Bring judgments to rows.

    Parameters
    ----------
    documents : sequence of n str
        Ids of the rows of the corpus.
    queries : sequence of q str
        Ids of the queries that are scored.
    judgments : Judgments or None
        All of them have a relevant document.
    own : set of str
        Queries that never get the document of their id.
    rows_of : sequence of str, optional
        Ids of the rows of the queries' states; those that are scored by default.
    """
    places = {name: row for row, name in enumerate(documents)}
    at = {name: row for row, name in enumerate(queries if rows_of is None else rows_of)}
    pairs = None if judgments is None else _pairs(queries, judgments, places)
    own_rows = [places.get(name, -1) if name in own else -1 for name in queries]
    shared = np.array(own_rows, dtype=np.int64)
    counts = {"own_documents": int((shared >= 0).sum())}
    if pairs is not None:
        counts |= {"relevant": len(pairs[1]), "judged_missing": int((pairs[1] < 0).sum())}
    return Judged(
        rows=np.array([at[name] for name in queries], dtype=np.int64),
        own=shared if counts["own_documents"] else None,
        pairs=pairs,
        documents=len(places),
        counts=counts,
    )


def _pairs(
    queries: Sequence[str], judgments: Judgments, places: Mapping[str, int]
) -> tuple[IntArray, IntArray, FloatArray]:
    asked, found, gains = zip(*_relevant(queries, judgments, places), strict=True)
    return np.array(asked), np.array(found), np.array(gains)


def _relevant(
    queries: Sequence[str], judgments: Judgments, places: Mapping[str, int]
) -> Iterator[tuple[int, int, float]]:
    for number, name in enumerate(queries):
        for document, score in judgments.scores[name].items():
            if score > 0:
                yield number, places.get(document, -1), score
