"""Repeated rows: which rows are the same point, and how point lists become row lists.

Repeats are found from the inputs, from equal bytes, and from a rounding floor, never by testing
distances against 0: an expansion |x|² + |y|² - 2xy gives equal rows any small distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.geometry._found import Found


def same_points(X: Points, inputs: IntArray | None) -> IntArray:
    """Return the number of each row's point (n,): equal bytes or equal inputs are one point.

    Points are numbered in the order of their first rows.
    """
    _, equal = np.unique([_digest(row) for row in X], return_inverse=True)
    if inputs is None:
        return by_first_row(equal.reshape(-1))
    return by_first_row(_join(equal.reshape(-1), inputs))


def _digest(row: Points) -> bytes:
    return blake2b((row + 0.0).tobytes(), digest_size=16).digest()  # -0.0 equals 0.0


def _join(a: IntArray, b: IntArray) -> IntArray:
    """Components of rows that share a code in ``a`` or in ``b`` (negative codes share nothing)."""
    n = len(a)
    known = np.flatnonzero(b >= 0)
    rows = np.concatenate([np.arange(n), known])
    columns = np.concatenate([n + a, n + a.max() + 1 + b[known]])
    size = int(columns.max()) + 1
    edges = sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    return np.asarray(connected_components(edges, directed=False)[1][:n], dtype=np.int64)


def by_first_row(codes: IntArray) -> IntArray:
    """Renumber codes 0, 1, … in the order in which they first appear."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse.reshape(-1)])


def representatives(point: IntArray) -> IntArray:
    """Return the first row of every point, ascending."""
    return np.unique(point, return_index=True)[1]


def rounding_floor(X: Points) -> FloatArray:
    """Return, for each row, the distance at which two rows differ by rounding alone: (n,).

    Two ulps of the row's own norm, at float32 if all values are float32 numbers. The norm is taken
    without centring: rounding happened at the size of the values as they were stored.
    """
    size = np.maximum(np.abs(X).max(axis=1), np.finfo(X.dtype).tiny)[:, None]
    norms = np.sqrt(np.einsum("ij,ij->i", X / size, X / size, dtype=np.float64)) * size[:, 0]
    single = X.dtype == np.float32 or _fits_float32(X)
    return np.asarray(2 * float(np.finfo(np.float32 if single else np.float64).eps) * norms)


def _fits_float32(X: Points) -> bool:
    with np.errstate(over="ignore"):
        return all(
            np.array_equal(X[s : s + 4096], X[s : s + 4096].astype(np.float32))
            for s in range(0, len(X), 4096)
        )


def merge_twins(X: Points, found: Found) -> IntArray | None:
    """Return new point numbers if some listed pairs lie within the rounding floor, else None."""
    floor = rounding_floor(X)
    near = found.distances <= np.maximum(floor[:, None], floor[found.indices])
    if not near.any():
        return None
    i, column = np.nonzero(near)
    n = len(X)
    edges = sp.coo_array((np.ones(len(i)), (i, found.indices[i, column])), shape=(n, n))
    return by_first_row(np.asarray(connected_components(edges, directed=False)[1], dtype=np.int64))


def expand(found: Found, point: IntArray, k: int) -> Found:
    """Turn the lists between points into the lists of the k nearest other rows of every row.

    The other rows of a row's own point come first, at distance 0. Lists in which every point has
    one row are only renumbered.
    """
    members = _Members.of(point)
    n = len(point)
    lists = Found(np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.int64), {})
    repeated = members.sizes > 1
    affected = repeated | repeated[found.indices].any(axis=1)
    affected[list(found.ties)] = True
    if found.indices.shape[1] < k:
        affected[:] = True
    plain = np.flatnonzero(~affected)
    rows = members.order[members.starts[plain]]
    if len(plain):
        lists.distances[rows] = found.distances[plain]
        lists.indices[rows] = members.order[members.starts[found.indices[plain]]]
    for p in np.flatnonzero(affected).tolist():
        own = members.of_points(np.array([p]))
        near, distances = _rows_near(found, p, members, k + 1)
        candidates = np.concatenate([own, near])
        at = np.concatenate([np.zeros(len(own)), distances])
        for row in own.tolist():
            _write_row(lists, row, candidates, at)
    return lists


@dataclass(frozen=True, eq=False)
class _Members:
    """The rows of every point: rows ordered by point, and where each point starts."""

    order: IntArray
    starts: IntArray
    sizes: IntArray

    @classmethod
    def of(cls, point: IntArray) -> _Members:
        sizes = np.bincount(point)
        return cls(np.argsort(point, kind="stable"), np.cumsum(sizes) - sizes, sizes)

    def of_points(self, points: IntArray) -> IntArray:
        """Rows of the given points, point by point."""
        sizes = self.sizes[points]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.asarray(self.order[np.repeat(self.starts[points], sizes) + within])


def _rows_near(found: Found, p: int, members: _Members, enough: int) -> tuple[IntArray, FloatArray]:
    """Rows of the nearest points, whole points at a time, until ``enough`` rows and their ties."""
    points, distances = found.indices[p], found.distances[p]
    if p in found.ties:
        points = np.concatenate([points, found.ties[p]])
        distances = np.concatenate([distances, np.full(len(found.ties[p]), distances[-1])])
    sizes = members.sizes[points]
    take = len(points)
    reached = np.flatnonzero(np.cumsum(sizes) >= enough)
    if len(reached):
        take = int(np.searchsorted(distances, distances[reached[0]], side="right"))
    return members.of_points(points[:take]), np.repeat(distances[:take], sizes[:take])


def _write_row(lists: Found, row: int, members: IntArray, distances: FloatArray) -> None:
    others = members != row
    members, distances = members[others], distances[others]
    order = np.lexsort((members, distances))
    k = lists.indices.shape[1]
    lists.indices[row], lists.distances[row] = members[order[:k]], distances[order[:k]]
    tied = order[k:][distances[order[k:]] == distances[order[k - 1]]]
    if len(tied):
        lists.ties[row] = members[tied]
