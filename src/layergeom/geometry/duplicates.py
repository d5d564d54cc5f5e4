"""Repeated rows: which rows are the same point, and how point lists become row lists.

Repeats are found from the inputs, from equal values, and from a rounding floor, never by testing
distances against 0: an expansion |x|² + |y|² - 2xy gives equal rows any small distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from layergeom.arrays import BoolArray, FloatArray, IntArray, Points
from layergeom.geometry._found import Found

BLOCK_ENTRIES = 1 << 16  # values of one block of rows: they stay in the cache
EXPANDED_ENTRIES = 1 << 20  # entries of the lists that are expanded together
ROW_BITS = 32  # of a sort key: the row's number; the others number the run of equal distances

Checksums: TypeAlias = npt.NDArray[np.uint64]


def same_points(X: Points, inputs: IntArray | None) -> IntArray:
    """Return the number of each row's point (n,): equal rows or equal inputs are one point.

    Points are numbered in the order of their first rows; -0.0 equals 0.0. ``X`` is finite, and a
    mapped file stays one: blocks of rows are copied, never all of them.
    """
    equal = _first_equal_rows(X)
    if inputs is None:
        return _numbered(equal)
    return by_first_row(_join(equal, inputs))


def _first_equal_rows(X: Points) -> IntArray:
    """Return the first row that equals each row: (n,). Checksums propose, values decide."""
    first = np.arange(len(X))
    codes = _checksums(X)
    _, at, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(sizes[at.reshape(-1)] > 1)
    while len(rows):
        _, leader, at = np.unique(codes[rows], return_index=True, return_inverse=True)
        leaders = rows[leader[at.reshape(-1)]]
        same = _rows_equal(X, rows, leaders)
        first[rows[same]] = leaders[same]
        rows = rows[~same]  # met another row's checksum: compared among themselves
    return first


def _checksums(X: Points) -> Checksums:
    """Return one number per row, equal for equal rows: (n,).

    The row's 32-bit words times odd multipliers, summed modulo 2^64.
    """
    words = X.shape[1] * X.dtype.itemsize // 4
    multipliers = np.random.default_rng(0).integers(0, 2**64, words, dtype=np.uint64) | np.uint64(1)
    sums = np.empty(len(X), dtype=np.uint64)
    step = _block_rows(X)
    space = np.empty((min(step, len(X)), X.shape[1]), dtype=X.dtype)
    for start in range(0, len(X), step):
        block = X[start : start + step]
        values = np.add(block, 0.0, out=space[: len(block)])  # -0.0 becomes 0.0
        np.einsum("ij,j->i", values.view(np.uint32), multipliers, out=sums[start : start + step])
    return sums


def _rows_equal(X: Points, some: IntArray, others: IntArray) -> BoolArray:
    """Return which pairs of rows are equal in every value: (m,)."""
    equal = np.empty(len(some), dtype=bool)
    step = _block_rows(X)
    for start in range(0, len(some), step):
        pairs = slice(start, start + step)
        equal[pairs] = (X[some[pairs]] == X[others[pairs]]).all(axis=1)
    return equal


def _block_rows(X: Points) -> int:
    return max(1, BLOCK_ENTRIES // int(X.shape[1]))


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
    return _numbered(first[inverse.reshape(-1)])


def _numbered(first: IntArray) -> IntArray:
    """Return the number of each row's point, given the point's first row."""
    starts = first == np.arange(len(first))
    return np.asarray((np.cumsum(starts) - 1)[first])


def representatives(point: IntArray) -> IntArray:
    """Return the first row of every point, ascending; points are numbered by first row."""
    highest = np.maximum.accumulate(point)
    return np.flatnonzero(np.diff(highest, prepend=-1))


def rounding_floor(X: Points) -> FloatArray:
    """Return, for each row, the distance at which two rows differ by rounding alone: (n,).

    Two ulps of the row's own norm, at float32 if all values are float32 numbers. The norm is taken
    without centring: rounding happened at the size of the values as they were stored.
    """
    step = _block_rows(X)
    norms = np.concatenate([_norms(X[start : start + step]) for start in range(0, len(X), step)])
    single = X.dtype == np.float32 or _fits_float32(X)
    return np.asarray(2 * float(np.finfo(np.float32 if single else np.float64).eps) * norms)


def _norms(X: Points) -> FloatArray:
    """Norms of rows of any size: (n,)."""
    size = np.maximum(np.abs(X).max(axis=1), np.finfo(X.dtype).tiny)[:, None]
    units = X / size
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", units, units, dtype=np.float64)) * size[:, 0])


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
    for points in _blocks(np.flatnonzero(affected), found, members, k):
        _write_points(lists, points, members, _Candidates.of(found, points, members, k))
    return lists


def _blocks(points: IntArray, found: Found, members: _Members, k: int) -> list[IntArray]:
    """Split points so that neither candidates nor lists of a part take much memory."""
    entries = members.sizes[points] * (k + 1) + members.sizes[found.indices[points]].sum(axis=1)
    part = np.cumsum(entries) // EXPANDED_ENTRIES
    parts = np.split(points, np.flatnonzero(np.diff(part)) + 1)
    return parts if len(points) else []


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


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Rows of some points and of their nearest points: by point, then distance, then row.

    ``starts`` is where each point's candidates begin, ``runs`` the number of the run of equal
    distances that each candidate belongs to.
    """

    rows: IntArray
    distances: FloatArray
    starts: IntArray
    runs: IntArray

    @classmethod
    def of(cls, found: Found, points: IntArray, members: _Members, k: int) -> _Candidates:
        """Take whole points until there are k + 1 rows, and all that tie with the last."""
        at, near, distances = _nearest_points(found, points, members, k)
        new = np.append(True, (np.diff(at) != 0) | (np.diff(distances) != 0))
        runs = np.repeat(np.cumsum(new) - 1, members.sizes[near])
        keys = runs << ROW_BITS | members.of_points(near)
        keys.sort()
        starts = np.searchsorted(at[new][runs], np.arange(len(points)))
        return cls(keys & (1 << ROW_BITS) - 1, distances[new][runs], starts, runs)


def _nearest_points(
    found: Found, points: IntArray, members: _Members, k: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """For each of ``points``, itself and its nearest points, ascending: place, point, distance."""
    near = np.column_stack([points, found.indices[points]])
    distances = np.column_stack([np.zeros(len(points)), found.distances[points]])
    enough = np.cumsum(members.sizes[near], axis=1) > k
    # There always are enough: a point lists k others, or all.
    limit = distances[np.arange(len(points)), enough.argmax(axis=1)]
    at, column = np.nonzero(distances <= limit[:, None])
    lists = [(at, near[at, column], distances[at, column])]
    for place in np.flatnonzero(distances[:, -1] <= limit).tolist():
        tied = found.ties.get(int(points[place]), np.zeros(0, dtype=np.int64))
        if len(tied):
            ones = np.ones(len(tied))
            lists.append((np.full(len(tied), place), tied, distances[place, -1] * ones))
    at, near, distances = (np.concatenate(each) for each in zip(*lists, strict=True))
    order = np.argsort(at, kind="stable")
    return at[order], near[order], distances[order]


def _write_points(
    lists: Found, points: IntArray, members: _Members, candidates: _Candidates
) -> None:
    """Write the lists of all rows of some points: their point's candidates without themselves."""
    rows, sizes = members.of_points(points), members.sizes[points]
    own = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    columns = np.arange(lists.indices.shape[1])
    chosen = np.repeat(candidates.starts, sizes)[:, None] + columns
    chosen += columns >= own[:, None]  # own rows come first, in order
    lists.indices[rows] = candidates.rows[chosen]
    lists.distances[rows] = candidates.distances[chosen]
    last = chosen[:, -1]
    ends = np.searchsorted(candidates.runs, candidates.runs[last], side="right")
    for at in np.flatnonzero(ends > last + 1).tolist():
        row, tied = int(rows[at]), candidates.rows[last[at] + 1 : ends[at]]
        tied = tied[tied != row]
        if len(tied):
            lists.ties[row] = tied
