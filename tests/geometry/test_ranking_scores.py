"""Scores of rankings against their definitions, scikit-learn and sentence-transformers."""

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from layergeom.geometry.ranking_scores import (
    Relevance,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

Q, N, DEPTH = 30, 50, 20


@pytest.fixture(scope="module")
def judged():
    """A graded judgment of every pair, mostly 0, at least one relevant; and a ranking of all."""
    rng = np.random.default_rng(0)
    grades = rng.choice([0, 0, 0, 0, 1, 2, 3], (Q, N)).astype(float)
    grades[:, 0] = 1
    ranked = np.array([rng.permutation(N) for _ in range(Q)])
    return grades, ranked


def relevance_of(grades):
    queries, documents = np.nonzero(grades)
    order = np.random.default_rng(1).permutation(len(queries))  # judgments come in any order
    queries, documents = queries[order], documents[order]
    return Relevance.of(queries, documents, grades[queries, documents], N, DEPTH)


def test_gains_are_those_of_the_pairs(judged):
    grades, ranked = judged
    gains = relevance_of(grades).gains_of(ranked)
    np.testing.assert_array_equal(gains, np.take_along_axis(grades, ranked, axis=1))


@pytest.mark.parametrize("k", [1, 10, 20])
def test_by_definition(judged, k):
    grades, ranked = judged
    relevance = relevance_of(grades)
    gains = relevance.gains_of(ranked)
    for query in range(Q):
        order = [grades[query, document] for document in ranked[query]]
        best = sorted(grades[query], reverse=True)
        dcg, ideal = (
            sum(gain / math.log2(rank + 2) for rank, gain in enumerate(x[:k]))
            for x in (order, best)
        )
        hits = [gain > 0 for gain in order[:k]]
        assert ndcg(gains, relevance.ideal, k)[query] == pytest.approx(dcg / ideal)
        assert recall(gains, relevance.relevant, k)[query] == sum(hits) / (grades[query] > 0).sum()
        assert precision(gains, k)[query] == sum(hits) / k
        first = 1 / (hits.index(True) + 1) if any(hits) else 0
        assert reciprocal_rank(gains, k)[query] == first


@pytest.mark.parametrize("k", [5, 10])
def test_ndcg_is_that_of_scikit_learn(judged, k):
    grades, ranked = judged
    relevance = relevance_of(grades)
    scores = np.empty((Q, N))
    np.put_along_axis(scores, ranked, -np.arange(N, dtype=float)[None], axis=1)
    ours = ndcg(relevance.gains_of(ranked), relevance.ideal, k).mean()
    assert ours == pytest.approx(ndcg_score(grades, scores, k=k), abs=1e-12)


def test_scores_are_those_of_sentence_transformers(judged):
    module = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    grades, ranked = (judged[0] > 0).astype(float), judged[1]
    evaluator = module.InformationRetrievalEvaluator(
        {f"q{i}": "text" for i in range(Q)},
        {f"d{j:02d}": "text" for j in range(N)},
        {f"q{i}": {f"d{j:02d}" for j in np.flatnonzero(grades[i])} for i in range(Q)},
        precision_recall_at_k=[10, 20],
    )
    lists = [
        [{"corpus_id": f"d{j:02d}", "score": -place} for place, j in enumerate(row)]
        for row in ranked
    ]
    theirs = evaluator.compute_metrics(lists)
    relevance = relevance_of(grades)
    gains = relevance.gains_of(ranked)
    assert ndcg(gains, relevance.ideal, 10).mean() == pytest.approx(theirs["ndcg@k"][10])
    assert reciprocal_rank(gains, 10).mean() == pytest.approx(theirs["mrr@k"][10])
    for k in (10, 20):
        assert recall(gains, relevance.relevant, k).mean() == pytest.approx(theirs["recall@k"][k])
        assert precision(gains, k).mean() == pytest.approx(theirs["precision@k"][k])


def test_a_document_that_is_not_there_stays_in_the_ideal():
    """As in trec_eval: it counts as missed."""
    relevance = Relevance.of(np.array([0, 0]), np.array([1, -1]), np.array([1.0, 1.0]), 3, 10)
    gains = relevance.gains_of(np.array([[1, 0, 2]]))
    assert gains.tolist() == [[1, 0, 0]]
    assert recall(gains, relevance.relevant, 3).tolist() == [0.5]
    assert ndcg(gains, relevance.ideal, 3)[0] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_an_empty_place_has_no_gain_even_for_a_query_of_large_number():
    """-1 of query i must not be read as the last document of query i - 1."""
    relevance = Relevance.of(np.array([0, 1]), np.array([2, 0]), np.array([1.0, 1.0]), 3, 5)
    assert relevance.gains_of(np.array([[-1, 2], [-1, 0]])).tolist() == [[0, 1], [0, 1]]


def test_all_relevant_documents_missing_scores_zero():
    relevance = Relevance.of(np.array([0]), np.array([-1]), np.array([2.0]), 3, 5)
    gains = relevance.gains_of(np.array([[0, 1, 2]]))
    assert ndcg(gains, relevance.ideal, 10).tolist() == [0.0]
