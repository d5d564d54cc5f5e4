"""Neighbours of rows by their length alone, and by which tokens they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry import NeighborGraph

_BLOCK = 256  # rows whose similarities to all others are held at once
_TIE = 1e-9  # below every difference that counts: ties are drawn at random

Similarity = Callable[[slice], FloatArray]  # of some rows to all: (b, n)


def length_neighbors(
    lengths: IntArray, k: int, own: Sequence[IntArray] = (), groups: IntArray | None = None
) -> NeighborGraph:
    r"""Return the rows of most similar length: the k least \|log T_i - log T_j\|.

    Parameters
    ----------
    lengths : ndarray, shape (n,)
        Tokens of each row, >= 0; an empty row counts as one token.
    k : int
        Neighbours listed; ties are drawn at random, seed 0.
    own : sequence of ndarray, shape (n,)
        Class codes whose members are not neighbours.
    groups : ndarray, shape (n,), optional
        Kept with the graph; must be among ``own``.

    Notes
    -----
    On the logarithm, 5 against 10 tokens differ as much as 50 against 100. Cost: n² comparisons,
    block by block.

    Examples
    --------
    >>> length_neighbors(np.array([3, 40, 4, 50]), k=1).indices.ravel().tolist()
    [2, 3, 0, 1]
    """
    logarithm = np.log(np.maximum(lengths, 1).astype(np.float64))
    return _nearest(
        lambda rows: -np.abs(logarithm[rows, None] - logarithm), len(lengths), k, own, groups
    )


def token_neighbors(
    tokens: Sequence[IntArray], k: int, own: Sequence[IntArray] = (), groups: IntArray | None = None
) -> NeighborGraph:
    """Return the rows whose bags of tokens have the largest cosine.

    Parameters
    ----------
    tokens : sequence of n int64 arrays
        Token ids of each row; their order does not enter.
    k, own, groups
        As of :func:`length_neighbors`.

    Notes
    -----
    Counts, not weighted by rarity: words that all rows hold weigh most, as in a mean over
    embeddings of one length. Cost: n sparse products with 256 rows at a time.

    Examples
    --------
    >>> bags = [np.array(row) for row in ([1, 2], [7, 8, 9], [2, 1, 2], [9, 8])]
    >>> token_neighbors(bags, k=1).indices.ravel().tolist()
    [2, 3, 0, 1]
    """
    bags = _bags(tokens)

    def cosines(rows: slice) -> FloatArray:
        return np.asarray((bags @ bags[rows].T.toarray()).T)

    return _nearest(cosines, len(tokens), k, own, groups)


def _bags(tokens: Sequence[IntArray]) -> sp.csr_array:
    """Return the counts of each row's tokens, rows of length 1 (0 where there are none)."""
    lengths = [len(row) for row in tokens]
    rows = np.repeat(np.arange(len(tokens)), lengths)
    _, columns = np.unique(np.concatenate(tokens), return_inverse=True)
    shape = (len(tokens), int(columns.max(initial=0)) + 1)
    counts = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).reshape(-1))
    return sp.csr_array(sp.diags_array(1 / np.where(norms > 0, norms, 1)) @ counts)


def _nearest(
    similarity: Similarity, n: int, k: int, own: Sequence[IntArray], groups: IntArray | None
) -> NeighborGraph:
    rng = np.random.default_rng(0)
    distances, indices = np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.int64)
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        found = similarity(rows)
        found += _TIE * rng.random(found.shape)
        np.fill_diagonal(found[:, rows], -np.inf)
        for codes in own:
            found[codes[rows, None] == codes] = -np.inf
        indices[rows], distances[rows] = _largest(found, k)
    return NeighborGraph(distances, indices, {}, np.arange(n), None, None, groups)


def _largest(found: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return the places of the k largest, falling, and how far each lies below 1; -1 and inf."""
    near = np.argpartition(found, -k, axis=1)[:, -k:]
    values = np.take_along_axis(found, near, axis=1)
    order = np.argsort(-values, axis=1)
    near, values = np.take_along_axis(near, order, 1), np.take_along_axis(values, order, 1)
    return np.where(np.isfinite(values), near, -1), np.where(
        np.isfinite(values), 1 - values, np.inf
    )
