"""Retrieval by every layer of a text encoder: what a shorter model would lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.arrays import IntArray, count
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry.ranking_scores import Relevance
from layergeom.measure import Progress
from layergeom.states.hidden import HiddenStates
from layergeom.states.judgments import Judgments, read_judgments
from layergeom.states.retrieval_texts import (
    RetrievalTexts,
    is_retrieval_folder,
    read_retrieval_texts,
    retrieval_files,
)
from layergeom.states.sampling import sampled_rows
from layergeom.states.stored import stored_states
from layergeom.tasks.retrieval_encoding import encoded
from layergeom.tasks.retrieval_judged import Judged, judged, own_documents, scored_queries
from layergeom.tasks.retrieval_result import RetrievalEvaluation
from layergeom.tasks.retrieval_scores import (
    METRICS,
    Identical,
    LayerScores,
    RetrievalSettings,
    Sides,
    layer_scores,
    ranking_at,
    retrieval_score,
)
from layergeom.version import VERSION
from layergeom.written import counted

FEW = 50  # queries, the fewest that benchmarks/query_bounds.py draws
_OF_ROWS = ("invalid", "skipped", "truncated", "windowed")  # said in counts and warnings


def evaluate_retrieval(
    model: Any,
    corpus: Any,
    queries: Any = None,
    qrels: Any = None,
    *,
    split: str | None = None,
    metrics: Sequence[str] = METRICS,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    identical_ids: Identical = "auto",
    truth: int = 10,
    max_queries: int | None = None,
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> RetrievalEvaluation:
    """Score retrieval by every layer of a text encoder, and what each loses to the full model.

    Parameters
    ----------
    model : str, Path or module
        Hub id, local folder or loaded module.
    corpus : path, mapping or list
        A folder in BEIR's layout (``corpus.jsonl``, ``queries.jsonl``, ``qrels/test.tsv``), then
        without ``queries``; or documents alone: a file with ``_id``, ``title`` and ``text``, a
        mapping from id to text, a list (:func:`~.retrieval_texts.read_retrieval_texts`).
    queries : the same, optional
        With ``_id`` and ``text``.
    qrels : path or mapping, optional
        Judgments (:func:`~.judgments.read_judgments`). Without any the full model's own ranking is
        the truth, and scores say how much of it a layer keeps.
    split : str, optional
        Of the folder's judgments; ``test`` by default.
    metrics : sequence of str
        ``ndcg``, ``mrr``, ``recall`` and ``precision``, each with a cut (``recall@100``), as
        trec_eval and BEIR define them; nDCG with the linear gain.
    query_prompt, document_prompt : str, optional
        In place of those that a sentence-transformers folder holds; "" for none.
    identical_ids : {"auto", "exclude", "keep"}
        Whether a query may find the document of its own id. ``auto``: not where both are of one
        text (Quora, ArguAna); BEIR's evaluation excludes all.
    truth : int
        Without judgments, how many of the full model's first documents are relevant.
    max_queries : int, optional
        So many of the judged queries at most, drawn at random; the corpus is never sampled.
    draws, confidence, seed
        Of the bootstrap over queries.
    folder : path, optional
        Keeps the states of both sides, so that the same call runs no model.
    progress : callable(done, total, what), optional
        Called along the way.
    **options
        Of the extraction, as :func:`layergeom.extract`: ``pool``, ``max_length``, ``device``, …

    Returns
    -------
    RetrievalEvaluation

    Raises
    ------
    InputError
        If files or ids do not fit each other, or the model cannot be run on them.
    DegenerateError
        If no query has a relevant document, or the full model no scores.

    Notes
    -----
    Layers are read as :func:`layergeom.truncate` would write them: pooled as the model pools,
    behind its final norm where it has one. Left out and counted: rows without a text, queries
    without a relevant document. Relevant documents that are not in the corpus count as missed by
    all layers, as in trec_eval.

    Cost: the forward pass over both sides, 4 bytes a row, feature and layer on the disk, and one
    exact search per layer (:func:`~.cosine_search.ranked_by_cosine`).

    When it misleads: a loss holds for queries like these on a corpus like this one. Without
    judgments a layer that ranks better than the full model loses all the same.
    """
    settings = RetrievalSettings(tuple(metrics), truth, identical_ids, draws, confidence, seed)
    documents, asked, judgments = _read(corpus, queries, qrels, split)
    judged_names, counts = scored_queries(asked.ids, judgments)
    names = _sampled(judged_names, max_queries, seed)
    wanted = asked.take([asked.rows[name] for name in names])
    place = None if folder is None else Path(folder)
    prompts = (query_prompt, document_prompt)
    sides = encoded(model, documents, wanted, prompts, place, options, progress)
    own = own_documents(documents, wanted, identical_ids)
    found = judged(sides.corpus.ids, sides.queries.ids, judgments, own)
    counts |= _left_out(documents, asked) | {"queries_judged": len(judged_names)}
    counts["queries_too_long"] = len(wanted.ids) - sides.queries.n
    facts = {"prompts": asdict(sides.prompts)}
    return _evaluation(
        (sides.corpus, sides.queries), found, settings, counts, sides.told, facts, progress
    )


def evaluate_retrieval_states(
    corpus: Any,
    queries: Any,
    qrels: Any = None,
    *,
    corpus_ids: Sequence[Any] | None = None,
    query_ids: Sequence[Any] | None = None,
    split: str | None = None,
    metrics: Sequence[str] = METRICS,
    identical_ids: Identical = "auto",
    truth: int = 10,
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> RetrievalEvaluation:
    """Score retrieval by states that exist: those of the documents and those of the queries.

    Parameters
    ----------
    corpus, queries : HiddenStates, arrays, file or folder
        The same layers of both sides (see :func:`layergeom.states.stored.stored_states`); at least
        three rows each. Losses are against the last layer.
    corpus_ids, query_ids : sequence, optional
        Ids of the rows of arrays; by default row numbers from 0.
    identical_ids : {"auto", "exclude", "keep"}
        As :func:`evaluate_retrieval`; ``auto`` excludes the document of a query's own id only where
        both sides are the same states.
    qrels, split, metrics, truth, draws, confidence, seed, progress
        As :func:`evaluate_retrieval`.

    Returns
    -------
    RetrievalEvaluation

    Raises
    ------
    InputError
        If both sides differ in their layers, an id repeats, or judgments do not fit.
    DegenerateError
        As :func:`evaluate_retrieval`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 8))
    >>> noisy = {"block_1": rng.standard_normal((50, 8)) + X, "block_2": X}
    >>> found = evaluate_retrieval_states(
    ...     noisy, {"block_1": X, "block_2": X}, {str(i): {str(i): 1} for i in range(50)}
    ... )
    >>> found.scores["mrr@10"].values.round(2).tolist()
    [0.78, 1.0]
    """
    settings = RetrievalSettings(tuple(metrics), truth, identical_ids, draws, confidence, seed)
    documents, asked = stored_states(corpus, ids=corpus_ids), stored_states(queries, ids=query_ids)
    judgments = None if qrels is None else read_judgments(qrels, split)
    _check_ids(documents.ids, "corpus")
    _check_ids(asked.ids, "queries")
    names, counts = scored_queries(asked.ids, judgments)
    same = documents.key == asked.key and documents.ids == asked.ids
    exclude = identical_ids == "exclude" or (identical_ids == "auto" and same)
    own = set(names) & set(documents.ids) if exclude else set()
    found = judged(documents.ids, names, judgments, own, rows_of=asked.ids)
    return _evaluation((documents, asked), found, settings, counts, (), {}, progress)


def _read(
    corpus: Any, queries: Any, qrels: Any, split: str | None
) -> tuple[RetrievalTexts, RetrievalTexts, Judgments | None]:
    if queries is None:
        if not is_retrieval_folder(corpus):
            raise InputError(
                f"{corpus!r} is no folder with corpus.jsonl and queries.jsonl; give one, or "
                "corpus and queries."
            )
        corpus, queries, own = retrieval_files(corpus)
        qrels = own if qrels is None else qrels
    if split is not None and qrels is None:
        raise InputError(f"split is {split!r}, but there are no judgments (qrels); leave it out.")
    return (
        read_retrieval_texts(corpus, "corpus"),
        read_retrieval_texts(queries, "queries", titles=False),
        None if qrels is None else read_judgments(qrels, split),
    )


def _sampled(names: Sequence[str], most: int | None, seed: int) -> list[str]:
    if most is None:
        return list(names)
    rows, _ = sampled_rows(len(names), None, count(most, "max_queries", 3), seed)
    return list(names) if rows is None else [names[row] for row in rows]


def _left_out(corpus: RetrievalTexts, queries: RetrievalTexts) -> dict[str, int]:
    return {"documents_empty": len(corpus.empty), "queries_empty": len(queries.empty)}


def _check_ids(ids: Sequence[str], name: str) -> None:
    if len(set(ids)) < len(ids):
        raise InputError(f"{name} has ids that repeat; a judgment could mean any of the rows.")


def _evaluation(
    both: tuple[HiddenStates, HiddenStates],
    found: Judged,
    settings: RetrievalSettings,
    counts: Mapping[str, int],
    told: Sequence[str],
    facts: Mapping[str, Any],
    progress: Progress | None,
) -> RetrievalEvaluation:
    corpus, queries = both
    _check_layers(corpus, queries)
    sides = Sides(corpus, queries, found.rows, found.own)
    relevance, truth = found.relevance(settings.depth), "judgments"
    if relevance is None:
        relevance, truth = _of_full_model(sides, settings), _truth_of_model(settings, corpus)
    scored = layer_scores(sides, relevance, settings, progress)
    _check_reference(scored, corpus.layers[-1])
    counts = {**counts, **found.counts, "documents": corpus.n, "queries": len(found.rows)}
    given = (*told, *corpus.warnings, *queries.warnings)
    return RetrievalEvaluation(
        layers=corpus.layers,
        blocks=tuple(name.blocks for name in corpus.names),
        scores={
            name: retrieval_score(name, rows, corpus.layers, settings)
            for name, rows in scored.scores.items()
        },
        queries=tuple(queries.ids[row] for row in found.rows),
        ties=tuple(scored.ties),
        truth=truth,
        counts={name: number for name, number in counts.items() if number},
        warnings=(
            *given,
            *found.told(counts),
            *scored.told,
            *_ties_told(scored.ties),
            *_few_told(len(found.rows)),
        ),
        provenance=_provenance(both, settings, facts),
    )


def _check_layers(corpus: HiddenStates, queries: HiddenStates) -> None:
    if corpus.layers != queries.layers:
        raise InputError(
            f"the corpus has the layers {', '.join(corpus.layers)} but the queries have "
            f"{', '.join(queries.layers)}; both must be states of one model."
        )


def _check_reference(scored: LayerScores, layer: str) -> None:
    if any(np.isnan(rows[-1]).any() for rows in scored.scores.values()):
        raise DegenerateError(
            f"{layer}, the model's own output, has no scores, so that no loss can be told: "
            f"{'; '.join(scored.told)}"
        )


def _of_full_model(sides: Sides, settings: RetrievalSettings) -> Relevance:
    """Take the first documents of the model's own output as the relevant ones."""
    ranked = ranking_at(sides, sides.corpus.layers[-1], settings.truth).documents
    asked, place = np.nonzero(ranked >= 0)
    if len(np.unique(asked)) < len(ranked):
        lost = counted(len(ranked) - len(np.unique(asked)), "query finds", "queries find")
        raise DegenerateError(
            f"{lost} nothing at {sides.corpus.layers[-1]}, so that there is no truth; leave such "
            "queries out."
        )
    pairs: IntArray = ranked[asked, place]
    return Relevance.of(asked, pairs, np.ones(len(pairs)), sides.corpus.n, settings.depth)


def _truth_of_model(settings: RetrievalSettings, corpus: HiddenStates) -> str:
    return f"the first {settings.truth} documents of {corpus.layers[-1]}, the model's own output"


def _ties_told(ties: Sequence[int]) -> tuple[str, ...]:
    if not max(ties):
        return ()
    told = (
        f"Documents of one cosine are judged differently in the lists of up to {max(ties):,} "
        "queries; they stand in the order of the corpus at every layer."
    )
    return (told,)


def _few_told(queries: int) -> tuple[str, ...]:
    if queries >= FEW:
        return ()
    few = counted(queries, "query is", "queries are")
    return (f"{few} few: how far bounds hold was checked from {FEW} on.",)


def _provenance(
    both: tuple[HiddenStates, HiddenStates], settings: RetrievalSettings, facts: Mapping[str, Any]
) -> dict[str, Any]:
    corpus, queries = (
        {**{k: v for k, v in side.provenance.items() if k not in _OF_ROWS}, "key": side.key}
        for side in both
    )
    return {
        **facts,
        "states": {"corpus": corpus, "queries": queries},
        "settings": {**asdict(settings), "gain": "linear"},
        "versions": {"layergeom": VERSION, "numpy": np.__version__},
    }
