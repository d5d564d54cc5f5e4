"""One exact search in parts, by as many processes as there are: each meets a share of the pairs.

Each pair of rows belongs to one part. A neighbour of a row is among the k nearest of all, so also
among the k nearest of its part; the k nearest of the parts' lists together are therefore the k
nearest. Distances are measured in one way everywhere, so that the merged lists have the bits of a
search in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from layergeom.arrays import BoolArray, FloatArray, Int32Array, IntArray, Points
from layergeom.errors import StoreError
from layergeom.geometry import _compiled, _plain
from layergeom.geometry._found import Found
from layergeom.geometry._search import Cloud

ENTRIES = 1 << 20  # of the lists that are merged together


@dataclass(frozen=True, eq=False)
class Part:
    """What one part of a search has found.

    Attributes
    ----------
    distances, indices : ndarray, shape (n, k)
        Nearest first, inf and -1 where the part met fewer than k.
    unsettled : ndarray of int64
        Rows that have to be done again: their lists may be incomplete.
    """

    distances: FloatArray
    indices: IntArray
    unsettled: IntArray


@dataclass(frozen=True, eq=False)
class Wanted:
    """A search that is carried out in parts.

    Attributes
    ----------
    k : int
        Neighbours of each row.
    groups : ndarray of int64, optional
        Rows of one group are not neighbours.
    order : ndarray of int32, optional
        Whose a pair is; None for the plain way, which goes by rows.
    chosen : ndarray of int64, optional
        Which of all points are searched; all by default.
    """

    k: int
    groups: IntArray | None
    order: Int32Array | None
    chosen: IntArray | None = None


Progress: TypeAlias = Callable[[int, int], None]
Parts: TypeAlias = Callable[[Wanted, Progress | None], list[Part]]


class SharedPoints(Cloud):
    """Points that others search part by part.

    Parameters
    ----------
    rows : ndarray, shape (n, D)
        All points, or those that ``chosen`` names.
    parts : callable(wanted, progress)
        Has all parts of a search carried out, and returns them.
    chosen : ndarray of int64, optional
        Which of all points these are; all by default.
    """

    def __init__(self, rows: Points, parts: Parts, chosen: IntArray | None = None) -> None:
        super().__init__(rows)
        self._parts, self._chosen = parts, chosen

    def take(self, rows: IntArray) -> Cloud:
        """Return the cloud of some rows, ascending; itself if they are all."""
        if len(rows) == len(self):
            return self
        chosen = rows if self._chosen is None else self._chosen[rows]
        return SharedPoints(self.rows[rows], self._parts, chosen)

    def search(self, k: int, groups: IntArray | None, progress: Progress | None = None) -> Found:
        """Return the lists of a search in one piece, bit by bit."""
        wanted = Wanted(k, groups, pair_order(self.host, k), self._chosen)
        return merged(self.host, k, groups, self._parts(wanted, progress))


def pair_order(X: Points, k: int) -> Int32Array | None:
    """Return what says which part meets a pair, found once for all parts; None for the plain way.

    Float32 products choose it, which differ between processors.
    """
    return _compiled.tree_order(X) if _compiled.serves(X, k) else None


def search_part(X: Points, wanted: Wanted, number: int, of: int) -> Part:
    """Search the share ``number`` (from 0) ``of`` so many, on the CPU.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        The points, of which those that ``wanted`` chooses have been taken already.
    wanted : Wanted
        The same for all parts.
    number, of : int
        The compiled search lists the pairs of every ``of``-th tile, the plain one those of every
        ``of``-th row.

    Raises
    ------
    StoreError
        If the parts are to be searched by the compiled kernel, and there is none here.
    """
    if wanted.order is None:
        rows = np.arange(number, len(X), of)
        found = _plain.search(X, wanted.k, wanted.groups, queries=rows)
        return Part(found.distances, found.indices, np.array(sorted(found.ties), dtype=np.int64))
    if _compiled.kernel() is None:
        raise StoreError(
            "this search was begun with the compiled kernel, which is not built here or not for "
            "this processor; install layergeom in the same way on all workers."
        )
    share = _compiled.Share(number, of, wanted.order)
    found, left = _compiled.search(X, wanted.k, wanted.groups, part=share)
    return Part(found.distances, found.indices, left)


def merged(X: Points, k: int, groups: IntArray | None, parts: Sequence[Part]) -> Found:
    """Return the lists of the whole search from those of all its parts.

    Rows that a part could not settle, that have a tie at the k-th distance, or fewer than k
    neighbours, are searched again here.
    """
    n = len(X)
    found = Found(np.empty((n, k)), np.empty((n, k), dtype=np.int64), {})
    doubtful = np.zeros(n, dtype=bool)
    step = max(1, ENTRIES // (k * len(parts)))

    def merge(start: int) -> None:
        rows = slice(start, start + step)
        distances = np.concatenate([part.distances[rows] for part in parts], axis=1)
        indices = np.concatenate([part.indices[rows] for part in parts], axis=1)
        found.distances[rows], found.indices[rows], doubtful[rows] = _nearest(distances, indices, k)

    with ThreadPoolExecutor(_compiled.threads()) as threads:
        list(threads.map(merge, range(0, n, step)))
    again = [np.flatnonzero(doubtful), *(part.unsettled for part in parts)]
    left = np.unique(np.concatenate(again))
    if len(left):
        _plain.settle(X, groups, left, found, None)
    return found


def _nearest(
    distances: FloatArray, indices: IntArray, k: int
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Return the k nearest of each row, the lower index first where two are equal; who needs care.

    Each part's list is in order, which the stable sort makes use of. Care is needed where k + 1
    tie, or fewer than k are there.
    """
    order = np.argsort(distances, axis=1, kind="stable")[:, : k + 1]
    distances = np.take_along_axis(distances, order, 1)
    indices = np.take_along_axis(indices, order, 1)
    level = (distances[:, 1:] == distances[:, :-1]) & np.isfinite(distances[:, 1:])
    for row in np.flatnonzero((level & (indices[:, 1:] < indices[:, :-1])).any(axis=1)).tolist():
        indices[row] = indices[row, np.lexsort((indices[row], distances[row]))]
    tied = level[:, k - 1] if level.shape[1] >= k else np.zeros(len(level), dtype=bool)
    return distances[:, :k], indices[:, :k], tied | ~np.isfinite(distances[:, k - 1])
