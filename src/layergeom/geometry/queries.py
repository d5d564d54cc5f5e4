"""Nearest points of queries that are not among the points, and the memory of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.errors import InputError
from layergeom.geometry import _search
from layergeom.geometry._found import Progress

LARGEST = float(np.finfo(np.float64).max) / 4  # no distance overflows below it, over sqrt(D)


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest points of every query, with their ties.

    Attributes
    ----------
    distances : ndarray, shape (q, k)
        Euclidean distances, ascending, in the units of the data. ``inf`` where a query has fewer
        than k admissible points (only with groups).
    indices : ndarray, shape (q, k)
        Rows of the points; ties are listed by lower index; -1 where there is none.
    ties : mapping of query to ndarray
        Further points at exactly the k-th distance, ascending; queries without such a tie are
        absent.
    """

    distances: FloatArray
    indices: IntArray
    ties: dict[int, IntArray]


def nearest_points(
    queries: object,
    points: object,
    k: int,
    *,
    query_groups: object = None,
    groups: object = None,
    progress: Progress | None = None,
) -> Neighbors:
    """Return the exact k nearest points of every query.

    Queries are no points: nothing is left out, and a query that equals a point has distance 0.
    The neighbours of each row among all other rows are :func:`layergeom.neighbor_graph`.

    Parameters
    ----------
    queries : array_like, shape (q, D)
        At least one row. Neither centring nor scaling is needed.
    points : array_like, shape (n, D)
        Where neighbours are looked for. float32 or float64 are used as they are, a read-only
        ``numpy.memmap`` too; where one of the two is float64, the other is widened, which copies
        it.
    k : int, 1 .. n
        Points per query.
    query_groups, groups : sequences of q and of n labels, optional
        A query never gets points of its own group. Both are given or neither; equal names mean the
        same group, and a row whose group is missing (None, NaN, "") is a group of its own.
    progress : callable(done, total), optional
        Called several times a second with the share of the queries that is done.

    Returns
    -------
    Neighbors
        The same bits for any number of threads. Tensors are searched on the CPU.

    Raises
    ------
    InputError
        If an array is not a finite matrix, widths differ, ``k`` exceeds the number of points, only
        one of the two has groups, or distances exceed the range of float64.

    Notes
    -----
    Candidates are chosen by products with a proven bound, and distances of the candidates are
    float64 direct differences of the rows as they came (docs/explanation/exact_neighbors.md).
    Cost: q n D products; every call prepares the points anew, so many queries at once cost much
    less than as many calls. :func:`search_memory` says what it takes. Distances say little where
    one coordinate exceeds all others: look at the anisotropy first.

    Examples
    --------
    >>> import numpy as np
    >>> found = nearest_points([[0.9], [6.0]], np.array([[0.0], [1.0], [3.0], [9.0]]), k=2)
    >>> found.indices.tolist()
    [[1, 0], [2, 3]]
    >>> found.distances[1].tolist()
    [3.0, 3.0]
    """
    asked, X = arrays.points(queries, "queries", 1), arrays.points(points, "points", 1)
    _refuse_misfits(asked, X)
    k = arrays.count(k, "k", 1)
    if k > len(X):
        raise InputError(f"k is {k} but there are {len(X)} points; k must be at most {len(X)}.")
    asked_groups, own_groups = _common_groups(query_groups, groups, len(asked), len(X))
    wide = np.result_type(asked, X)
    asked, X = asked.astype(wide, copy=False), X.astype(wide, copy=False)
    found = _search.search(X, k, own_groups, progress, asked, asked_groups)
    return Neighbors(found.distances, found.indices, found.ties)


def _refuse_misfits(asked: Points, X: Points) -> None:
    width = X.shape[1]
    if asked.shape[1] != width:
        raise InputError(
            f"queries have {asked.shape[1]} features but points have {width}; both must come from "
            "the same space."
        )
    for rows, name in ((asked, "queries"), (X, "points")):
        largest = max(abs(float(rows.min())), abs(float(rows.max())))
        if largest > LARGEST / width**0.5:
            raise InputError(
                f"{name} have entries as large as {largest:.1e}, whose distances exceed the range "
                "of float64; divide queries and points by a common factor."
            )


def _common_groups(
    query_groups: object, groups: object, q: int, n: int
) -> tuple[IntArray | None, IntArray | None]:
    """Return the groups of queries and points, equal numbers for equal names."""
    if query_groups is None and groups is None:
        return None, None
    if query_groups is None or groups is None:
        raise InputError("give both query_groups and groups, or neither.")
    columns = [(query_groups, q, "query_groups"), (groups, n, "groups")]
    parts = [_representatives(*column) for column in columns]
    names = np.array([*parts[0][0], *parts[1][0]], dtype=object)
    common = arrays.labels(names, len(names))
    split = len(parts[0][0])
    codes = np.concatenate([common[:split][parts[0][1]], common[split:][parts[1][1]]])
    codes = np.where(codes >= 0, codes, q + n + np.arange(q + n))
    return codes[:q], codes[q:]


def _representatives(values: object, n: int, name: str) -> tuple[list[object], IntArray]:
    """Return one label of each class, and the class of each of ``n`` rows."""
    codes = arrays.labels(values, n, name)
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    column = np.asarray(values)
    return column[first].tolist(), place.reshape(-1)


def search_memory(n: int, width: int, k: int, queries: int = 0) -> int:
    """Return the bytes that an ordinary search takes at most, beyond the rows it searches.

    Parameters
    ----------
    n, width : int
        Rows and dimensions of the points.
    k : int
        Neighbours per row.
    queries : int
        Rows of the queries of :func:`nearest_points`; 0 for a search of every row among the
        others.

    Returns
    -------
    int
        Counted from what the search allocates. With r searched rows (n, or the queries), s rows in
        all (n + queries) and w, the width up to a multiple of 64: lists of 16 k r, and

        - with the kernel, 12 max(128, 6 k) r of candidates, (2 w + 116) s of codes and
          projections, or where the width exceeds 128, (w + 868) s if that is more, and
          20 (n/192) (r/192) of gaps between leaves of 192 rows, and up to 8 MB of rows that are
          projected at a time;
        - without it, below 50 rows and below 16 queries: 4 n width for the points in float32,
          32 n, and up to 105 MB of blocks.

        An ordinary search that takes 50 MB or more uses at least half of it.

    Notes
    -----
    More than two rows that the kernel leaves (ties, or a query that equals a point) go the other
    way afterwards, and the larger of the two counts; where float32 products cannot tell neighbours
    apart, the points are then held in float64. Not counted: the lists of ties, the widening of one
    of two types, a copy of strided rows, and what :func:`layergeom.neighbor_graph` needs to find
    and remove repeated rows.

    Examples
    --------
    >>> f"{search_memory(100_000, 768, 30) / 2**20:.0f} MiB"
    '423 MiB'
    """
    n, width = arrays.count(n, "n", 1), arrays.count(width, "width", 1)
    k, queries = arrays.count(k, "k", 1), arrays.count(queries, "queries", 0)
    return 16 * k * (queries or n) + _search.memory(n, width, k, queries)
