"""The plain exact search: blocked matrix products choose candidates, float64 differences decide.

For rows x, y (shifted by a common centre and scaled by a power of two) a product in working
precision u obeys |fl(x·y) - x·y| <= gamma |x||y| with gamma = D u / (1 - D u), whatever the order
of summation. Hence

    lower(x, y) = (1 - c) (|x|² + |y|²) - 2 fl(x·y)  <=  |x - y|²,      c = gamma + 8 u,

so that the candidates with the smallest ``lower`` hold every true neighbour as soon as the first
``lower`` left out exceeds the exact k-th distance. Rows for which that cannot be shown go through
float64 products, and in the last resort through all direct differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from layergeom.arrays import BoolArray, FloatArray, IntArray, Points
from layergeom.geometry._found import Found, Progress, centre, power_of_two

Rows: TypeAlias = npt.NDArray[np.floating]

BLOCK_BYTES = 20_000_000  # of one block of products
BLOCK_READS = 20_000_000_000  # bytes of points times rows of a block: a fraction of a second
PRODUCT_BYTES = 5_000_000  # that a library of matrix products may keep
CENTRED_ENTRIES = 1 << 17  # entries that are shifted together: they stay in the cache
DIRECT_ENTRIES = 1 << 16  # entries of the differences taken together: they stay in the cache
FEW = 2  # rows that are measured against all points sooner than products are prepared
PROBE = 2048  # columns from which a row's first threshold is read
TINIEST = 2.0**-900  # squares below this may have lost digits
TINY = {np.dtype(np.float32): 2.0**-120, np.dtype(np.float64): 2.0**-1000}


def search(
    X: Points,
    k: int,
    groups: IntArray | None,
    progress: Progress | None = None,
    queries: IntArray | None = None,
    asked: Points | None = None,
    asked_groups: IntArray | None = None,
) -> Found:
    """Return the exact ``k`` nearest other rows of every row of ``X``, or of ``queries`` alone.

    Distances are float64 direct differences; ties are listed by lower index. With ``groups``,
    rows of the same group are not neighbours. With ``asked``, the nearest rows of ``X`` to each
    row of another matrix.
    """
    q = len(X if asked is None else asked)
    found = Found(np.full((q, k), np.inf), np.full((q, k), -1, dtype=np.int64), {})
    todo = np.arange(q) if queries is None else queries
    settle(X, groups, todo, found, progress, asked, asked_groups)
    return found


def memory(n: int, width: int, queries: int = 0) -> int:
    """Return the bytes that a search takes beyond its rows and lists, at most.

    The points in float32, two blocks of bounds, the rows that ask in one of them, and what the
    matrix product keeps for itself.
    """
    rows = min(queries or n, BLOCK_BYTES // (4 * max(n, width)) + 1)
    return 4 * n * width + 32 * n + rows * (8 * n + 12 * width) + PRODUCT_BYTES


def settle(
    X: Points,
    groups: IntArray | None,
    todo: IntArray,
    found: Found,
    progress: Progress | None,
    asked: Points | None = None,
    asked_groups: IntArray | None = None,
) -> None:
    """Write the rows ``todo`` of ``found``: of ``asked`` if it is given, else of ``X`` itself."""
    cloud, k = Cloud(X, groups, asked, asked_groups), found.indices.shape[1]
    for dtype, spare in ((np.float32, 8 + k // 8), (np.float64, 24 + 2 * k)):
        if len(todo) > FEW:
            todo = _pass(cloud, np.dtype(dtype), todo, k + spare, found, progress)
            progress = None
    for row in todo.tolist():
        everyone = cloud.admissible(row)
        _settle(found, row, everyone, cloud.distances(row, everyone))
        if progress is not None:
            progress(row + 1, len(cloud.asked))


class Cloud:
    """The points and who asks for them, shifted and scaled so that no square overflows."""

    def __init__(
        self,
        X: Points,
        groups: IntArray | None,
        asked: Points | None = None,
        asked_groups: IntArray | None = None,
    ) -> None:
        self.X, self.groups, self.joined = X, groups, asked is None
        self.asked = X if asked is None else asked
        self.asked_groups = groups if asked is None else asked_groups
        extremes = [[m.min(), m.max()] for m in ((X,) if asked is None else (X, asked))]
        self.scale = power_of_two(np.array(extremes))
        self.centre = centre(X, self.scale)

    def centred(self, rows: Points) -> FloatArray:
        """Rows in float64, shifted and scaled."""
        centred: FloatArray = rows.astype(np.float64)
        centred /= self.scale
        centred -= self.centre
        return centred

    def distances(self, row: int, others: IntArray) -> FloatArray:
        """Distances from one row to others by direct differences: (m,)."""
        step = max(1, DIRECT_ENTRIES // self.X.shape[1])
        starts = range(0, max(1, len(others)), step)
        return np.concatenate([self._direct(row, others[i : i + step]) for i in starts])

    def _direct(self, row: int, others: IntArray) -> FloatArray:
        difference = self.X[others].astype(np.float64)
        difference -= self.asked[row].astype(np.float64)
        if self.scale != 1.0:
            return _lengths(difference)
        squared = np.einsum("ij,ij->i", difference, difference)
        return np.sqrt(squared) if squared.min(initial=1.0) > TINIEST else _lengths(difference)

    def admissible(self, row: int) -> IntArray:
        """Points that may be neighbours of a row that asks: neither itself nor of its group."""
        keep = np.ones(len(self.X), dtype=bool)
        if self.groups is not None and self.asked_groups is not None:
            keep = self.groups != self.asked_groups[row]
        if self.joined:
            keep[row] = False
        return np.flatnonzero(keep)


def _lengths(rows: FloatArray) -> FloatArray:
    """Norms of rows of any size; each is scaled by its own power of two, which is exact."""
    size = np.ldexp(0.5, np.frexp(np.abs(rows).max(axis=1))[1])
    rows = rows / np.maximum(size, np.finfo(np.float64).smallest_subnormal)[:, None]
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)) * size)


class Products:
    """Lower bounds of squared distances from matrix products in one working precision."""

    def __init__(self, cloud: Cloud, dtype: np.dtype[np.floating]) -> None:
        n, width = cloud.X.shape
        self.cloud, self.dtype = cloud, dtype
        self.Y = np.empty((n, width), dtype=dtype)
        step = max(1, CENTRED_ENTRIES // width)
        for start in range(0, n, step):
            rows = slice(start, start + step)
            self.Y[rows] = cloud.centred(cloud.X[rows])
        self.half = self._half(self.Y)
        self.floor = TINY[dtype] * width

    def _half(self, centred: Rows) -> Rows:
        """Half of (1 - c) |x|²: (m,)."""
        unit = float(np.finfo(self.dtype).eps) / 2
        slack = 2 * centred.shape[1] * unit + 16 * unit
        norms = np.einsum("ij,ij->i", centred, centred, dtype=np.float64)
        return np.asarray(0.5 * (1 - slack) * norms, dtype=self.dtype)

    def _asked(self, rows: IntArray) -> Rows:
        return self.cloud.centred(self.cloud.asked[rows]).astype(self.dtype)

    def own(self, rows: IntArray) -> Rows:
        """Half of (1 - c) |x|² of rows that ask: (b,)."""
        return self._half(self._asked(rows))

    def lower(self, rows: IntArray) -> Rows:
        """Half the lower bounds without the row's own term: (b, n); inadmissible pairs are inf."""
        cloud = self.cloud
        block = self._asked(rows) @ self.Y.T
        np.subtract(self.half[None, :], block, out=block)
        if cloud.joined:
            block[np.arange(len(rows)), rows] = np.inf
        if cloud.groups is not None and cloud.asked_groups is not None:
            block[cloud.asked_groups[rows][:, None] == cloud.groups[None, :]] = np.inf
        return block


def _blocks(rows: IntArray, Y: Rows) -> Iterator[IntArray]:
    """Cut rows so that neither their products with ``Y`` nor the time that these take are large."""
    size = max(1, min(BLOCK_BYTES // (Y.itemsize * max(Y.shape)), BLOCK_READS // Y.nbytes))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _pass(
    cloud: Cloud,
    dtype: np.dtype[np.floating],
    todo: IntArray,
    m: int,
    found: Found,
    progress: Progress | None,
) -> IntArray:
    """Settle the rows that ``m`` candidates prove; return the others."""
    products, left = Products(cloud, dtype), []
    for rows in _blocks(todo, products.Y):
        bounded = zip(rows.tolist(), products.lower(rows), products.own(rows), strict=True)
        for row, bounds, own in bounded:
            candidates, cut = _smallest(bounds, min(m, len(cloud.X)))
            distances = cloud.distances(row, candidates)
            first_left_out = 2 * (cut + float(own)) - products.floor
            beyond = np.sqrt(max(first_left_out, 0.0)) * cloud.scale
            if _settle(found, row, candidates, distances, beyond):
                left.append(row)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(cloud.asked))
    return np.array(left, dtype=np.int64)


def _smallest(bounds: Rows, m: int) -> tuple[IntArray, float]:
    """Return the finite entries among the ``m`` smallest, and a bound on those left out."""
    chosen = np.arange(len(bounds))
    if len(bounds) > 2 * PROBE and m < PROBE // 4:
        threshold = np.partition(bounds[:PROBE], m)[m]
        chosen = np.flatnonzero(bounds <= threshold)
    if len(chosen) > m:
        values = bounds[chosen]
        order = np.argpartition(values, m)
        cut, chosen = float(values[order[m]]), chosen[order[:m]]
    else:
        cut = np.inf
    return chosen[np.isfinite(bounds[chosen])], cut


def _settle(
    found: Found,
    row: int,
    candidates: IntArray,
    distances: FloatArray,
    beyond: float = np.inf,
) -> bool:
    """Write one row if its neighbours are proved; return whether it must be done again.

    All points that are not candidates lie at ``beyond`` or further.
    """
    k = found.indices.shape[1]
    order = np.lexsort((candidates, distances))
    kept = order[:k]
    last = distances[kept[-1]] if len(kept) == k else np.inf
    # The margin covers the rounding of the sums of squares themselves.
    if beyond != np.inf and not beyond > last * (1 + 1e-9):
        return True
    found.distances[row, : len(kept)] = distances[kept]
    found.indices[row, : len(kept)] = candidates[kept]
    if len(kept) == k:
        tied = candidates[order[k:]][distances[order[k:]] == last]
        if len(tied):
            found.ties[row] = tied
    return False


def distances_at_ranks(
    X: Points, queries: IntArray, ranks: IntArray
) -> tuple[FloatArray, BoolArray]:
    """Return the distances at given neighbour ranks, and each query's nearer fellow queries.

    Computed by float64 products of centred rows (relative error about 1e-12 of the squared norm),
    which suffices for large ranks; small ranks come from the graph.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        Points.
    queries : ndarray, shape (q,)
        Rows to measure from.
    ranks : ndarray, shape (s,)
        Neighbour ranks, 1 = nearest other point, ascending.

    Returns
    -------
    distances : ndarray, shape (q, s)
    fellows : ndarray of bool, shape (s, q, q)
        Which queries lie within the distance of that rank from each query.
    """
    distances = np.empty((len(queries), len(ranks)))
    fellows = np.empty((len(ranks), len(queries), len(queries)), dtype=bool)
    done = 0
    for rows, squared, scale in squared_distances(X, queries):
        squared[np.arange(len(rows)), rows] = np.inf
        at = np.partition(squared, ranks - 1, axis=1)[:, ranks - 1]
        fellows[:, done : done + len(rows)] = squared[:, queries] <= at.T[:, :, None]
        distances[done : done + len(rows)] = np.sqrt(np.maximum(at, 0)) * scale
        done += len(rows)
    return distances, fellows


def squared_distances(X: Points, queries: IntArray) -> Iterator[tuple[IntArray, FloatArray, float]]:
    """Yield some of the queries, their squared distances from all points, and the unit of length.

    By float64 products: errors are about 1e-12 of the squared norms, below 0 too.
    """
    products = Products(Cloud(X, None), np.dtype(np.float64))
    norms = np.einsum("ij,ij->i", products.Y, products.Y)
    for rows in _blocks(queries, products.Y):
        squared = norms[rows][:, None] + norms[None, :] - 2 * (products.Y[rows] @ products.Y.T)
        yield rows, squared, products.cloud.scale
