"""Documents in the order of their cosine with each query, exact, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.errors import InputError
from layergeom.geometry.mutual_neighbors import unit_rows
from layergeom.geometry.queries import nearest_points

UNIT_BYTES = 1 << 27  # of unit documents that are searched at a time
QUERIES = 1 << 14  # that ask at a time


@dataclass(frozen=True, eq=False)
class Ranking:
    """The first k documents of every query.

    Attributes
    ----------
    documents : ndarray, shape (q, k)
        Rows of the documents, the largest cosine first, equal ones by lower row; -1 where a query
        has fewer than k.
    cosines : ndarray, shape (q, k)
        In [-1, 1]; nan where there is no document.
    directionless : (int, int)
        Queries and documents of norm zero. Such a query finds nothing, such a document is never
        found.
    """

    documents: IntArray
    cosines: FloatArray
    directionless: tuple[int, int]


def ranked_by_cosine(
    queries: object,
    documents: object,
    k: int,
    *,
    query_names: object = None,
    names: object = None,
    stand_ins: IntArray | None = None,
    unit_bytes: int = UNIT_BYTES,
) -> Ranking:
    """Return the k documents of the largest cosine for every query, in their order.

    Parameters
    ----------
    queries : array_like, shape (q, D)
        At least three rows.
    documents : array_like, shape (n, D)
        Where they are looked for; a read-only ``numpy.memmap`` is read block by block.
    k : int
        Documents per query; all of them where there are fewer.
    query_names, names : sequences of q and of n labels, optional
        A query never gets the document of its own name. Both are given or neither.
    stand_ins : ndarray of int, shape (n,), optional
        The row whose vector each document has (itself by default): one for all copies of a text.
    unit_bytes : int
        Size of the blocks of documents that are held as unit vectors.

    Returns
    -------
    Ranking

    Raises
    ------
    InputError
        If the widths differ, or fewer than three queries or documents have a direction.

    Notes
    -----
    Of unit vectors |u - v|² = 2 - 2 cos(u, v), so that :func:`layergeom.nearest_points` finds them;
    every block of documents is searched by itself, and the lists are merged. Memory beyond the
    arguments, however many documents there are: 4 ``unit_bytes`` (512 MiB) while a block is made
    unit vectors, then one of them and what :func:`layergeom.search_memory` says of a search of
    16,384 queries among it, 48 q k bytes of lists, and 24 bytes a document. Cost: q n D products.

    When it misleads: a mean that all vectors share makes all cosines alike, and the order hangs on
    small differences. Documents of one vector are listed by their rows, which says nothing.

    Examples
    --------
    >>> queries = [[1, 0.1], [0, 2], [0, 0], [1, 0]]
    >>> found = ranked_by_cosine(queries, [[0, 9], [3, 0], [0, 0], [1, 1], [2, 2]], k=3)
    >>> found.documents.tolist(), found.directionless
    ([[1, 3, 4], [0, 3, 4], [-1, -1, -1], [1, 3, 4]], (1, 1))
    """
    asked, X = arrays.points(queries, "queries"), arrays.points(documents, "documents")
    if asked.shape[1] != X.shape[1]:
        raise InputError(
            f"queries have {asked.shape[1]} features but documents have {X.shape[1]}; both must "
            "come from the same layer of the same model."
        )
    k = min(arrays.count(k, "k", 1), len(X))
    turned, there = (np.flatnonzero(rows.any(axis=1)) for rows in (asked, X))
    own = None if names is None else (np.asarray(query_names)[turned], np.asarray(names))
    of = np.arange(len(X)) if stand_ins is None else stand_ins
    there = np.flatnonzero(np.isin(of, there))
    unit = unit_rows(asked[turned], "queries")
    found = _merged(unit, (X, of), there, k, own, unit_bytes)
    listed = np.full((len(asked), k), -1), np.full((len(asked), k), np.nan)
    for whole, part in zip(listed, found, strict=True):
        whole[turned] = part
    return Ranking(*listed, (len(asked) - len(turned), len(X) - len(there)))


def _merged(
    asked: FloatArray,
    documents: tuple[Points, IntArray],
    there: IntArray,
    k: int,
    own: tuple[Points, Points] | None,
    unit_bytes: int,
) -> tuple[IntArray, FloatArray]:
    """Search the documents ``there`` block by block and keep the first k of all."""
    X, of = documents
    rows = max(1, unit_bytes // (8 * X.shape[1]))
    best = np.full((len(asked), k), np.inf), np.full((len(asked), k), -1)
    for block in np.array_split(there, -(-len(there) // rows) or 1):
        points = unit_rows(X[of[block]], "documents")
        for start in range(0, len(asked), QUERIES):
            part = slice(start, start + QUERIES)
            found = nearest_points(
                asked[part],
                points,
                min(k, len(block)),
                query_groups=None if own is None else own[0][part],
                groups=None if own is None else own[1][block],
            )
            rows_found = np.where(found.indices < 0, -1, block[found.indices])
            _keep(best, part, found.distances, rows_found)
    distances, indices = best
    return indices, np.where(indices < 0, np.nan, 1 - distances**2 / 2)


def _keep(
    best: tuple[FloatArray, IntArray], part: slice, distances: FloatArray, rows: IntArray
) -> None:
    """Merge a block's lists into the best; a stable order leaves equal ones by lower row."""
    together = np.hstack([best[0][part], distances])
    order = np.argsort(together, axis=1, kind="stable")[:, : best[0].shape[1]]
    best[0][part] = np.take_along_axis(together, order, axis=1)
    best[1][part] = np.take_along_axis(np.hstack([best[1][part], rows]), order, axis=1)
