"""Dimension at large ranks where rows come in groups, measured from a sample of the points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layergeom.arrays import BoolArray, FloatArray, IntArray, Points
from layergeom.geometry._plain import squared_distances
from layergeom.geometry.uncertainty import standard_error

ROUNDING = 1e-13  # of the largest squared distance: what is nearer counts as so near


def queried_group_scales(
    X: Points, units: IntArray, ranks: IntArray, asked: IntArray
) -> list[tuple[float, float, float, FloatArray]]:
    """Return distance, dimension, error and influence of the asked points at each n1, n2 = 2 n1.

    Ranks count units other than the own; the dimension is that of all rows inside r_n2
    (:mod:`layergeom.geometry.group_ratios`). Costs one q × N × D product in float64.
    """
    every = np.append(ranks, 2 * ranks[-1])
    parts = zip(*_measured(X, units, asked, every), strict=True)
    at, counts, logs, fellows = (np.concatenate(part) for part in parts)
    found = []
    for s in range(len(ranks)):
        joined = _joined(fellows[:, s + 1], units[asked])
        ratio = _ratio(counts[:, s + 1], logs[:, s + 1], joined)
        found.append((float(at[:, s : s + 2].mean()), *ratio))
    return found


def _measured(
    X: Points, units: IntArray, asked: IntArray, ranks: IntArray
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray, BoolArray]]:
    """For some queries and every rank: distance, rows inside, their logs, queries inside."""
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.diff(units[order], prepend=-1))
    for rows, squared, scale in squared_distances(X, asked):
        np.maximum(squared, ROUNDING * squared.max(), out=squared)
        squared[units[rows][:, None] == units] = np.inf
        nearest = np.minimum.reduceat(squared[:, order], starts, axis=1)
        outer = np.partition(nearest, ranks - 1, axis=1)[:, ranks - 1]
        logs = np.log(squared)
        inside = [squared < radius[:, None] for radius in outer.T]
        counts = np.array([each.sum(axis=1) for each in inside], dtype=np.float64).T
        sums = np.array([np.where(each, logs, 0.0).sum(axis=1) for each in inside]).T
        fellows = np.array([squared[:, asked] <= radius[:, None] for radius in outer.T])
        ratios = (counts * np.log(outer) - sums) / 2
        yield np.sqrt(outer) * scale, counts, ratios, fellows.transpose(1, 0, 2)


def _ratio(
    counts: FloatArray, logs: FloatArray, joined: FloatArray
) -> tuple[float, float, FloatArray]:
    """Return the dimension, rows over logs, its error and the influences."""
    if not logs.sum() > 0:
        return float("nan"), float("nan"), np.zeros(len(logs))
    value = (counts.sum() - 1) / logs.sum()
    influence = (counts - value * logs) / logs.mean()
    return float(value), standard_error(influence, joined), influence


def _joined(fellows: BoolArray, units: IntArray) -> FloatArray:
    """Return 1 where a query lies inside another's radius, or is of its unit."""
    return np.asarray(fellows | fellows.T | (units[:, None] == units), dtype=np.float64)
