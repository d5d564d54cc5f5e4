"""Neighbour lists that somebody else computed: checked, and seen past repeated rows."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError, InputTypeError
from layergeom.geometry.duplicates import by_first_row, representatives
from layergeom.geometry.neighbors import NeighborGraph

RAGGED = "distances and indices must both have shape (n, k)"


def check_graph(graph: object, name: str = "graph") -> None:
    """Raise an InputTypeError if points, or anything else, are given in place of a graph."""
    if not isinstance(graph, NeighborGraph):
        raise InputTypeError(
            f"{name} must be a NeighborGraph but is of type {type(graph).__name__}; make it of "
            "the points with neighbor_graph(X)."
        )


def checked_lists(
    distances: object, indices: object, self_included: bool
) -> tuple[FloatArray, IntArray]:
    """Return distances and indices without self, or raise an InputError that says what is wrong."""
    d = arrays.points(distances, "distances").astype(np.float64)
    i = _whole(indices)
    n = len(d)
    if d.shape != i.shape:
        raise InputError(f"{RAGGED}, but distances have {d.shape} and indices {i.shape}.")
    if d.shape[1] >= n and not self_included:
        raise InputError(
            f"{RAGGED} with k < n, but their shape is {d.shape}; is this a full matrix?"
        )
    if i.min() < 0 or i.max() >= n:
        bad = int(np.argmax(((i < 0) | (i >= n)).any(axis=1)))
        raise InputError(
            f"indices of row {bad} are outside 0..{n - 1}; neighbours are row numbers."
        )
    if (d < 0).any():
        raise InputError(f"distances of row {int(np.argmax((d < 0).any(axis=1)))} are negative.")
    if (np.diff(d, axis=1) < 0).any():
        bad = int(np.argmax((np.diff(d, axis=1) < 0).any(axis=1)))
        raise InputError(
            f"distances of row {bad} are not ascending; sort each row with its indices."
        )
    return _without_self(d, i, self_included)


def _whole(indices: object) -> IntArray:
    i = np.asarray(indices)
    if i.dtype.kind not in "iu":
        raise InputTypeError(f"indices must be whole numbers but have dtype {i.dtype}.")
    return i.astype(np.int64)


def _without_self(d: FloatArray, i: IntArray, self_included: bool) -> tuple[FloatArray, IntArray]:
    n, k = i.shape
    is_self = i == np.arange(n)[:, None]
    if not self_included:
        if is_self.any():
            raise InputError(
                f"self_included=False but row {int(np.argmax(is_self.any(axis=1)))} lists itself; "
                "pass self_included=True."
            )
        repeated(i)
        return d, i
    if (is_self.sum(axis=1) != 1).any():
        bad = int(np.argmax(is_self.sum(axis=1) != 1))
        raise InputError(f"self_included=True but row {bad} does not list itself once.")
    if (d[is_self] > d[:, 0]).any():
        raise InputError("self_included=True but a row lies at a distance from itself.")
    repeated(i)
    return d[~is_self].reshape(n, k - 1), i[~is_self].reshape(n, k - 1)


def repeated(i: IntArray) -> None:
    """Raise an InputError if a row lists the same neighbour twice."""
    twice = (np.diff(np.sort(i, axis=1), axis=1) == 0).any(axis=1)
    if twice.any():
        raise InputError(f"row {int(np.argmax(twice))} lists the same neighbour twice.")


def distinct_lists(d: FloatArray, i: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
    """Collapse rows at distance 0 and return (point of each row, distances, indices) of points.

    The lists of points are as long as the shortest row allows.
    """
    n = len(i)
    rows, columns = np.nonzero(d == 0)
    if not len(rows):
        return np.arange(n), d, i
    edges = sp.coo_array((np.ones(len(rows)), (rows, i[rows, columns])), shape=(n, n))
    point = by_first_row(np.asarray(connected_components(edges, directed=False)[1], dtype=np.int64))
    first = representatives(point)
    lists = [_first_of_each(point[i[r]], d[r], int(point[r])) for r in first]
    shortest = min(len(members) for members, _ in lists)
    return (
        point,
        np.array([distances[:shortest] for _, distances in lists]).reshape(len(first), shortest),
        np.array([members[:shortest] for members, _ in lists], dtype=np.int64).reshape(
            len(first), shortest
        ),
    )


def _first_of_each(
    points: IntArray, distances: FloatArray, own: int
) -> tuple[IntArray, FloatArray]:
    _, first = np.unique(points, return_index=True)
    first = np.sort(first)
    first = first[points[first] != own]
    return points[first], distances[first]
