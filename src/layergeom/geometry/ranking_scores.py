"""How good a ranking is: nDCG, recall, precision and reciprocal rank of each query.

All take the gains of a query's documents in the order they were ranked: the judged score of each,
0 for what is not relevant or was never judged. The definitions are those of trec_eval, and so of
BEIR; nDCG has the linear gain (a score of 2 counts twice a score of 1; not 2^score - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Relevance:
    """Which documents are relevant to which queries, and how much.

    Attributes
    ----------
    keys : ndarray, shape (m,)
        Query number times ``documents`` plus document number of each relevant pair, ascending.
    gains : ndarray, shape (m,)
        Their positive scores.
    ideal : ndarray, shape (q, depth)
        Scores of each query's relevant documents, the largest first, then zeros; those that are
        not among the documents count too.
    relevant : ndarray, shape (q,)
        Their number, at least one.
    documents : int
        Number of documents.
    """

    keys: IntArray
    gains: FloatArray
    ideal: FloatArray
    relevant: IntArray
    documents: int

    @classmethod
    def of(
        cls, queries: IntArray, found: IntArray, gains: FloatArray, documents: int, depth: int
    ) -> Relevance:
        """Return the relevance of judged pairs.

        Parameters
        ----------
        queries, found : ndarray, shape (m,)
            Query and document of each pair, counted from 0; -1 for a document that is not there.
        gains : ndarray, shape (m,)
            Positive.
        documents, depth : int
            Number of documents; places of the ideal ranking that are kept.

        Examples
        --------
        >>> pairs = Relevance.of(np.array([0, 0]), np.array([2, -1]), np.array([1.0, 3.0]), 4, 2)
        >>> pairs.ideal.tolist(), pairs.gains_of(np.array([[2, 0]])).tolist()
        ([[3.0, 1.0]], [[1.0, 0.0]])
        """
        relevant = np.bincount(queries)
        order = np.lexsort((-gains, queries))
        place = np.arange(len(order)) - np.repeat(np.cumsum(relevant) - relevant, relevant)
        ideal = np.zeros((len(relevant), depth))
        kept = place < depth
        ideal[queries[order][kept], place[kept]] = gains[order][kept]
        there = found >= 0
        keys = queries[there] * documents + found[there]
        sorted_ = np.argsort(keys)
        return cls(keys[sorted_], gains[there][sorted_], ideal, relevant, documents)

    def gains_of(self, ranked: IntArray) -> FloatArray:
        """Return the gain of each ranked document, (q, k) as they come; of -1 it is 0."""
        if not len(self.keys):
            return np.zeros(ranked.shape)
        asked = np.arange(len(ranked))[:, None] * self.documents + ranked
        at = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        hit = (self.keys[at] == asked) & (ranked >= 0)
        return np.where(hit, self.gains[at], 0.0)


def ndcg(gains: FloatArray, ideal: FloatArray, k: int) -> FloatArray:
    """Return the normalised discounted cumulative gain of the first k: (q,), in [0, 1].

    Parameters
    ----------
    gains, ideal : ndarray, shapes (q, ≥ k or all documents) and (q, ≥ k or all relevant ones)
        As ranked, and as ranked best; each row of ``ideal`` begins with a positive score.
    k : int
        The cut.

    Notes
    -----
    DCG = Σ_i gain_i / log2(i + 1) over the ranks i = 1 … k, over that of the ideal ranking
    (Järvelin and Kekäläinen 2002, with the discount of trec_eval). An ideal ranking that has
    documents nobody could find (left out, missing from the corpus) keeps 1 out of reach.

    Examples
    --------
    >>> ndcg(np.array([[1.0, 0.0, 2.0]]), np.array([[2.0, 1.0, 0.0]]), 3).round(4).tolist()
    [0.7602]
    """
    return _discounted(gains[:, :k]) / _discounted(ideal[:, :k])


def _discounted(gains: FloatArray) -> FloatArray:
    return np.asarray(gains @ (1 / np.log2(np.arange(2, gains.shape[1] + 2))))


def recall(gains: FloatArray, relevant: IntArray, k: int) -> FloatArray:
    """Return the share of a query's relevant documents among its first k: (q,), in [0, 1].

    Where more than k are relevant, k / relevant is the most that any ranking reaches.

    Examples
    --------
    >>> recall(np.array([[1.0, 0.0, 2.0]]), np.array([4]), 3).tolist()
    [0.5]
    """
    return np.asarray((gains[:, :k] > 0).sum(axis=1) / relevant)


def precision(gains: FloatArray, k: int) -> FloatArray:
    """Return the share of the first k that is relevant: (q,), in [0, 1].

    Of k also where there are fewer documents, as in trec_eval.

    Examples
    --------
    >>> precision(np.array([[1.0, 0.0, 2.0]]), 4).tolist()
    [0.5]
    """
    return np.asarray((gains[:, :k] > 0).sum(axis=1) / k)


def reciprocal_rank(gains: FloatArray, k: int) -> FloatArray:
    """Return 1 over the rank of the first relevant document, 0 if none is among k: (q,).

    Examples
    --------
    >>> reciprocal_rank(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]), 2).tolist()
    [0.5, 0.0]
    """
    hits = gains[:, :k] > 0
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
