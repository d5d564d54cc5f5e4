"""One exact search in parts, by as many processes as there are: each meets a share of the pairs.

Each pair of rows belongs to one part. A neighbour of a row is among the k nearest of all, so also
among the k nearest of its part; the k nearest of the parts' lists together are therefore the k
nearest. Distances are measured in one way everywhere, so that the merged lists have the bits of a
search in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from layergeom.arrays import BoolArray, FloatArray, IntArray, Points
from layergeom.geometry import _compiled, _plain
from layergeom.geometry._found import Found
from layergeom.geometry._search import Cloud

ENTRIES = 1 << 22  # of the lists that are merged together


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


Progress: TypeAlias = Callable[[int, int], None]
Parts: TypeAlias = "Callable[[IntArray | None, int, IntArray | None, Progress | None], list[Part]]"


class SharedPoints(Cloud):
    """Points that others search part by part.

    Parameters
    ----------
    rows : ndarray, shape (n, D)
        All points, or those that ``chosen`` names.
    parts : callable(chosen, k, groups, progress)
        Has all parts of a search among the chosen points carried out, and returns them.
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
        parts = self._parts(self._chosen, k, groups, progress)
        return merged(self.host, k, groups, parts)


def search_part(X: Points, k: int, groups: IntArray | None, number: int, of: int) -> Part:
    """Search the share ``number`` (from 0) ``of`` so many, on the CPU.

    The compiled search lists the pairs of every ``of``-th tile, the plain one those of every
    ``of``-th row.
    """
    if _compiled.serves(X, k):
        found, left = _compiled.search(X, k, groups, part=(number, of))
        return Part(found.distances, found.indices, left)
    found = _plain.search(X, k, groups, queries=np.arange(number, len(X), of))
    return Part(found.distances, found.indices, np.array(sorted(found.ties), dtype=np.int64))


def merged(X: Points, k: int, groups: IntArray | None, parts: Sequence[Part]) -> Found:
    """Return the lists of the whole search from those of all its parts.

    Rows that a part could not settle, or that have a tie at the k-th distance, are searched again
    here.
    """
    n = len(X)
    found = Found(np.empty((n, k)), np.empty((n, k), dtype=np.int64), {})
    tied = np.zeros(n, dtype=bool)
    step = max(1, ENTRIES // (k * len(parts)))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        distances = np.concatenate([part.distances[rows] for part in parts], axis=1)
        indices = np.concatenate([part.indices[rows] for part in parts], axis=1)
        found.distances[rows], found.indices[rows], tied[rows] = _nearest(distances, indices, k)
    again = [np.flatnonzero(tied), *(part.unsettled for part in parts)]
    left = np.unique(np.concatenate(again))
    if len(left):
        _plain.settle(X, groups, left, found, None)
    return found


def _nearest(
    distances: FloatArray, indices: IntArray, k: int
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Return the k nearest of each row, the lower index first where two are equal; where k + 1 tie.

    Each part's list is in order, which the stable sort makes use of.
    """
    order = np.argsort(distances, axis=1, kind="stable")
    distances = np.take_along_axis(distances, order, 1)
    indices = np.take_along_axis(indices, order, 1)
    level = (distances[:, 1:] == distances[:, :-1]) & np.isfinite(distances[:, 1:])
    for row in np.flatnonzero((level & (indices[:, 1:] < indices[:, :-1])).any(axis=1)).tolist():
        indices[row] = indices[row, np.lexsort((indices[row], distances[row]))]
    tied = level[:, k - 1] if level.shape[1] >= k else np.zeros(len(level), dtype=bool)
    return distances[:, :k], indices[:, :k], tied
