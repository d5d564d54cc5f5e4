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

import numpy as np
import numpy.typing as npt

from layergeom.arrays import BoolArray, FloatArray, IntArray, Points
from layergeom.geometry._found import Found, Progress, centre, power_of_two

BLOCK_ENTRIES = 5_000_000  # entries of one block of products: 20 MB in float32
PROBE = 2048  # columns from which a row's first threshold is read
TINIEST = 2.0**-900  # squares below this may have lost digits
TINY = {np.dtype(np.float32): 2.0**-120, np.dtype(np.float64): 2.0**-1000}


def search(
    X: Points,
    k: int,
    groups: IntArray | None,
    progress: Progress | None = None,
    queries: IntArray | None = None,
) -> Found:
    """Return the exact ``k`` nearest other rows of every row of ``X``, or of ``queries`` alone.

    Distances are float64 direct differences; ties are listed by lower index. With ``groups``,
    rows of the same group are not neighbours.
    """
    found = Found(np.full((len(X), k), np.inf), np.full((len(X), k), -1, dtype=np.int64), {})
    settle(X, groups, np.arange(len(X)) if queries is None else queries, found, progress)
    return found


def settle(
    X: Points, groups: IntArray | None, todo: IntArray, found: Found, progress: Progress | None
) -> None:
    """Write the rows ``todo`` of ``found``."""
    cloud, k = _Cloud(X, groups), found.indices.shape[1]
    for dtype, spare in ((np.float32, 8 + k // 8), (np.float64, 24 + 2 * k)):
        if len(todo):
            products = _Products(cloud, np.dtype(dtype))
            todo = _pass(cloud, products, todo, k + spare, found, progress)
    for row in todo:
        everyone = cloud.admissible(row)
        _settle(found, row, everyone, cloud.distances(row, everyone))


class _Cloud:
    """The points, shifted and scaled so that no square overflows."""

    def __init__(self, X: Points, groups: IntArray | None) -> None:
        self.X, self.groups = X, groups
        self.scale = power_of_two(X)
        self.centre = centre(X, self.scale)

    def centred(self, rows: slice) -> FloatArray:
        return self.X[rows].astype(np.float64) / self.scale - self.centre

    def distances(self, row: int, others: IntArray) -> FloatArray:
        """Distances from one row to others by direct differences: (m,)."""
        difference = self.X[others].astype(np.float64)
        difference -= self.X[row].astype(np.float64)
        if self.scale != 1.0:
            return _lengths(difference)
        squared = np.einsum("ij,ij->i", difference, difference)
        return np.sqrt(squared) if squared.min(initial=1.0) > TINIEST else _lengths(difference)

    def admissible(self, row: int) -> IntArray:
        keep = np.ones(len(self.X), dtype=bool)
        if self.groups is not None:
            keep = self.groups != self.groups[row]
        keep[row] = False
        return np.flatnonzero(keep)


def _lengths(rows: FloatArray) -> FloatArray:
    """Norms of rows of any size; each is scaled by its own power of two, which is exact."""
    size = np.ldexp(0.5, np.frexp(np.abs(rows).max(axis=1))[1])
    rows = rows / np.maximum(size, np.finfo(np.float64).smallest_subnormal)[:, None]
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)) * size)


class _Products:
    """Lower bounds of squared distances from matrix products in one working precision."""

    def __init__(self, cloud: _Cloud, dtype: np.dtype[np.floating]) -> None:
        n, width = cloud.X.shape
        self.cloud, self.dtype = cloud, dtype
        self.Y = np.empty((n, width), dtype=dtype)
        for start in range(0, n, 4096):
            rows = slice(start, start + 4096)
            self.Y[rows] = cloud.centred(rows)
        unit = float(np.finfo(dtype).eps) / 2
        slack = 2 * width * unit + 16 * unit
        norms = np.einsum("ij,ij->i", self.Y, self.Y, dtype=np.float64)
        self.half: npt.NDArray[np.floating] = (0.5 * (1 - slack) * norms).astype(dtype)
        self.floor = TINY[dtype] * width

    def lower(self, rows: IntArray) -> npt.NDArray[np.floating]:
        """Half the lower bounds without the row's own term: (b, n); inadmissible pairs are inf."""
        block = self.Y[rows] @ self.Y.T
        np.subtract(self.half[None, :], block, out=block)
        block[np.arange(len(rows)), rows] = np.inf
        if self.cloud.groups is not None:
            groups = self.cloud.groups
            block[groups[rows][:, None] == groups[None, :]] = np.inf
        return block


def _blocks(rows: IntArray, n: int) -> Iterator[IntArray]:
    size = max(1, BLOCK_ENTRIES // n)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _pass(
    cloud: _Cloud,
    products: _Products,
    todo: IntArray,
    m: int,
    found: Found,
    progress: Progress | None,
) -> IntArray:
    """Settle the rows that ``m`` candidates prove; return the others."""
    n, left = len(cloud.X), []
    m = min(m, n - 1)
    for rows in _blocks(todo, n):
        lower = products.lower(rows)
        for row, bounds in zip(rows.tolist(), lower, strict=True):
            candidates, cut = _smallest(bounds, m)
            distances = cloud.distances(row, candidates)
            first_left_out = 2 * (cut + float(products.half[row])) - products.floor
            beyond = np.sqrt(max(first_left_out, 0.0)) * cloud.scale
            if _settle(found, row, candidates, distances, beyond):
                left.append(row)
        if progress is not None:
            progress(int(rows[-1]) + 1, n)
    return np.array(left, dtype=np.int64)


def _smallest(bounds: npt.NDArray[np.floating], m: int) -> tuple[IntArray, float]:
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
    products = _Products(_Cloud(X, None), np.dtype(np.float64))
    norms = np.einsum("ij,ij->i", products.Y, products.Y)
    distances = np.empty((len(queries), len(ranks)))
    fellows = np.empty((len(ranks), len(queries), len(queries)), dtype=bool)
    done = 0
    for rows in _blocks(queries, 2 * len(X)):
        squared = norms[rows][:, None] + norms[None, :] - 2 * (products.Y[rows] @ products.Y.T)
        squared[np.arange(len(rows)), rows] = np.inf
        at = np.partition(squared, ranks - 1, axis=1)[:, ranks - 1]
        fellows[:, done : done + len(rows)] = squared[:, queries] <= at.T[:, :, None]
        distances[done : done + len(rows)] = np.sqrt(np.maximum(at, 0)) * products.cloud.scale
        done += len(rows)
    return distances, fellows
