"""From a cloud to its neighbour lists: between distinct points, and from other groups only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import duplicates
from layergeom.geometry._found import Found, Progress
from layergeom.geometry._search import Cloud
from layergeom.geometry.groups import class_sizes, point_units, rows_of_own, unit_ranks

WIDEST = 1024  # neighbours of a point, where the nearest are all of one group


def refuse_overflow(cloud: Cloud) -> None:
    """Raise an InputError unless distances and their sum over all rows are float64 numbers."""
    n, width = cloud.rows.shape
    if cloud.largest > float(np.finfo(np.float64).max) / (8 * n * width**0.5):
        raise InputError(
            f"X has entries as large as {cloud.largest:.1e}, whose distances exceed the range of "
            "float64; divide X by a common factor."
        )


def points_told(cloud: Cloud, inputs: object) -> IntArray:
    """Return the number of each row's point, as far as bytes and inputs tell: (n,)."""
    if inputs is not None:
        return duplicates.same_points(cloud.host, arrays.labels(inputs, len(cloud), "inputs"))
    if cloud.all_differ():
        return np.arange(len(cloud))
    return duplicates.same_points(cloud.host, None)


def distinct_search(
    cloud: Cloud,
    k: int,
    point: IntArray,
    progress: Progress | None,
    groups: IntArray | None = None,
) -> tuple[IntArray, Found]:
    """Search among distinct points, again if some turn out to be the same within rounding.

    With ``groups`` of the rows, points of one unit (see
    :func:`layergeom.geometry.groups.point_units`) are not neighbours.
    """
    while True:
        first = duplicates.representatives(point)
        if len(first) < 2:
            raise DegenerateError(
                f"all {len(cloud)} rows of X are the same point (no finite distances); check the "
                "pooling, or leave this layer out."
            )
        distinct = cloud.take(first)
        units = None if groups is None else point_units(groups, point)[first]
        found = distinct.search(min(k, len(first) - 1), units, progress)
        merged = None if _apart(cloud, found) else duplicates.merge_twins(distinct.host, found)
        if merged is None:
            return point, found
        point = merged[point]


def _apart(cloud: Cloud, found: Found) -> bool:
    """Whether all distances exceed every row's rounding floor, which the largest entry bounds."""
    highest = 2 * float(np.finfo(np.float32).eps) * cloud.rows.shape[1] ** 0.5 * cloud.largest
    return bool(found.distances[:, 0].min() > highest * (1 + 1e-6))


def until_two_units(
    cloud: Cloud, found: Found, point: IntArray, groups: IntArray
) -> tuple[FloatArray, IntArray] | None:
    """Return lists of the distinct points in which every point meets two units other than its own.

    Longer ones are searched for where the nearest rows are all of one group; None where the
    WIDEST lists do not do, or there are no two.
    """
    first = duplicates.representatives(point)
    units = point_units(groups, point)[first]
    distances, indices = found.distances, found.indices
    if unit_ranks(indices, units)[:, -1].min() < 2:
        longest = int(min(np.bincount(units).max() + 1, len(first) - 1, WIDEST))
        wider = cloud.take(first).search(max(longest, indices.shape[1]), units, None)
        met = unit_ranks(wider.indices, units)
        if met[:, -1].min() < 2:
            return None
        width = max(indices.shape[1], int((met < 2).sum(axis=1).max()) + 1)
        distances, indices = wider.distances[:, :width].copy(), wider.indices[:, :width].copy()
    return distances, indices


def outside(cloud: Cloud, k: int, classes: Sequence[IntArray], progress: Progress | None) -> Found:
    """Search among the rows that share none of one or two classes with a row.

    The first ``k`` places of the lists are exact, -1 where there are no more rows. With two
    classes, rows outside the one are searched, as many more as the other can take away.
    """
    if len(classes) == 1:
        return cloud.search(k, classes[0], progress)
    everywhere = rows_of_own(len(cloud), classes)
    taken = [int((everywhere - class_sizes(codes)).max()) for codes in classes]
    searched = int(np.argmin(taken))
    found = cloud.search(min(k + taken[searched], len(cloud) - 1), classes[searched], progress)
    return without(found, classes[1 - searched]) if taken[searched] else found


def without(found: Found, codes: IntArray) -> Found:
    """Drop listed neighbours of the row's own class; those that remain move up, with the ties."""
    same = (codes[found.indices] == codes[:, None]) & (found.indices >= 0)
    order = np.argsort(same, axis=1, kind="stable")
    distances = np.take_along_axis(np.where(same, np.inf, found.distances), order, axis=1)
    indices = np.take_along_axis(np.where(same, -1, found.indices), order, axis=1)
    ties = {}
    for row, tied in found.ties.items():
        others = tied[codes[tied] != codes[row]]
        free = np.flatnonzero(indices[row] < 0)[: len(others)]
        indices[row, free] = others[: len(free)]
        distances[row, free] = found.distances[row, -1]
        if len(others) > len(free):
            ties[row] = others[len(free) :]
    return Found(distances, indices, ties)
