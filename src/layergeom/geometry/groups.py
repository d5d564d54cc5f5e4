"""Rows that are no independent samples: their groups, and what the groups leave to choose from.

A group (the tokens of a sequence, the sequences of a cluster) is the sampling unit: its rows are
no neighbours of each other, and errors add up what they say before they square it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry.duplicates import representatives


def group_codes(groups: object, n: int, name: str = "groups") -> IntArray | None:
    """Return the group of each row as a number: (n,); None if no two rows are of one group.

    A row whose group is missing (None, NaN, "") is a group of its own.

    Raises
    ------
    InputError
        If there are not ``n`` groups, or all rows are of one.

    Examples
    --------
    >>> group_codes(["a", "b", "a", None], 4).tolist()
    [0, 1, 0, 2]
    >>> group_codes(["a", "b", None, None], 4) is None
    True
    """
    codes = own_where_missing(arrays.labels(groups, n, name))
    sizes = np.bincount(codes)
    if sizes.max(initial=0) < 2:
        return None
    if len(sizes) == 1:
        raise InputError(
            f"all {n} rows are of one group, so that none has a neighbour in another; give "
            f"{name} with at least two values, or none."
        )
    return codes


def check_groups(groups: object, n: int, k: int) -> IntArray | None:
    """Return :func:`group_codes` if every row has ``k`` rows of other groups to choose from.

    Raises
    ------
    InputError
        If there is one group only, or the largest leaves fewer than ``k`` rows: it is named.
    """
    codes = group_codes(groups, n)
    if codes is None:
        return None
    sizes = np.bincount(codes)
    left = n - int(sizes.max())
    if left < k:
        name = np.asarray(groups, dtype=object)[int(np.argmax(codes == sizes.argmax()))]
        raise InputError(
            f"group {name!r} has {sizes.max()} of the {n} rows, which leaves its rows {left} "
            f"neighbours in other groups, but {k} are needed; give more rows of other groups, "
            "fewer of this one, or a smaller k."
        )
    return codes


def own_where_missing(codes: IntArray) -> IntArray:
    """Return class codes in which every -1 has become a class of its own."""
    missing = codes < 0
    first = int(codes.max(initial=-1)) + 1
    return np.asarray(np.where(missing, first + np.cumsum(missing) - 1, codes))


def point_units(groups: IntArray, point: IntArray) -> IntArray:
    """Return the sampling unit of the point of each row: (n,).

    That is the group, if all rows of the point are of one; a point with rows in several groups is
    a unit of its own: whoever meets it may have met it in another group.

    Examples
    --------
    >>> import numpy as np
    >>> point_units(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])).tolist()
    [0, 3, 3, 1]
    """
    first = representatives(point)
    shared = np.zeros(len(first), dtype=bool)
    shared[point[groups != groups[first][point]]] = True
    return np.where(shared[point], int(groups.max()) + 1 + point, groups)


def rows_of_own(n: int, partitions: Sequence[IntArray]) -> FloatArray:
    """Return how many rows share a class with each row, itself included: (n,).

    ``partitions`` are at most two class codes of the rows; a row shares a class if it does so in
    one of them.
    """
    if not partitions:
        return np.ones(n)
    sizes = sum(class_sizes(codes) for codes in partitions)
    if len(partitions) == 2:
        sizes = sizes - class_sizes(crossed(*partitions))
    return np.asarray(sizes, dtype=np.float64)


def class_sizes(codes: IntArray) -> FloatArray:
    """Return the size of each row's class; codes are not negative."""
    return np.asarray(np.bincount(codes)[codes], dtype=np.float64)


def crossed(a: IntArray, b: IntArray) -> IntArray:
    """Return class codes that are equal where both are."""
    both = a * (int(b.max(initial=0)) + 1) + b
    return np.asarray(np.unique(both, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def chance_of_neighbors(n: int, groups: IntArray | None, k: int, counted: BoolArray) -> float:
    """Return the overlap that independent layers reach: the mean of k over the rows to choose from.

    Parameters
    ----------
    n, groups
        Rows, and the group of each; the mean is taken over the rows ``counted``.
    k : int
        Neighbours compared; where fewer are to choose from, all of them are shared.
    """
    if groups is None:
        return k / (n - 1)
    others = n - rows_of_own(n, [groups])[counted]
    return float(np.minimum(1.0, k / np.maximum(others, 1)).mean())


def unit_ranks(listed: IntArray, units: IntArray) -> IntArray:
    """Return how many units each list has met up to each place: (p, k).

    ``listed`` are positions in ``units``, -1 where a list has ended: there the last number stands.

    Examples
    --------
    >>> import numpy as np
    >>> unit_ranks(np.array([[1, 2, 3, -1]]), np.array([0, 1, 1, 2])).tolist()
    [[1, 1, 2, 2]]
    """
    met = np.where(listed >= 0, units[listed], -1)
    order = np.argsort(met, axis=1, kind="stable")
    ordered = np.take_along_axis(met, order, axis=1)
    new = ordered >= 0
    new[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    first = np.zeros(listed.shape, dtype=bool)
    np.put_along_axis(first, order, new, axis=1)
    return np.asarray(np.cumsum(first, axis=1))


def dealt(units: IntArray, parts: int, rng: np.random.Generator) -> list[IntArray]:
    """Split rows into parts of nearly equal size that cut no unit: positions, ascending.

    Units in random order go to the part that is then the smallest.
    """
    order = rng.permutation(np.unique(units))
    sizes = np.bincount(units)
    part = np.zeros(len(sizes), dtype=np.int64)
    heap = [(0, at) for at in range(parts)]
    for unit in order.tolist():
        filled, at = heap[0]
        part[unit] = at
        heapq.heapreplace(heap, (filled + int(sizes[unit]), at))
    return [np.flatnonzero(part[units] == at) for at in range(parts)]
