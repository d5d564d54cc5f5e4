"""Neighbours in common by the angle between vectors, as models of any width can be compared."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray
from layergeom.errors import InputError
from layergeom.geometry.neighbors import neighbor_graph
from layergeom.geometry.overlap import OverlapEstimate, neighborhood_overlap

Metric: TypeAlias = Literal["cosine", "euclidean"]


def mutual_knn(
    a: object,
    b: object,
    k: int = 10,
    metric: Metric = "cosine",
    *,
    inputs: object = None,
    groups: object = None,
) -> OverlapEstimate:
    """Return the mutual k-nearest-neighbour alignment of two representations of the same rows.

    Parameters
    ----------
    a, b : array_like, shapes (n, D) and (n, D')
        The same samples in two layers or two models.
    k : int
        Neighbours compared; 10 as in the paper.
    metric : {"cosine", "euclidean"}
        ``cosine``: of the rows divided by their norms, neither centred nor scaled. ``euclidean``
        is :func:`layergeom.neighborhood_overlap`.
    inputs, groups : optional
        As of :func:`layergeom.neighbor_graph`.

    Returns
    -------
    OverlapEstimate
        Value in [0, 1] with its neighbour-graph-robust error and the level of chance, k/(n - 1).

    Raises
    ------
    InputError
        If the numbers of rows differ, k is not below them, a row is zero (it has no direction), or
        the metric is none of these.
    DegenerateError
        If all rows have one direction.

    Notes
    -----
    mNN = mean over i of |S_a(i) ∩ S_b(i)| / k, S the k nearest others by the cosine (Huh et al.
    2024, arXiv 2405.07987, section 2 and appendix A). Of unit rows |u - v|² = 2 - 2 cos(u, v), so
    that the exact search for Euclidean neighbours finds them; ties share their places. The
    authors first cut the largest coordinates at a quantile, which is not done here.

    When it misleads: a long mean that all rows share makes all cosines alike, and neighbours hang
    on small differences; the value falls with the number of rows, so compare values of one n and k
    only. Cost: two searches of the neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((300, 5))
    >>> lengths = np.random.default_rng(1).uniform(1, 9, (300, 1))
    >>> mutual_knn(X, X * lengths).value  # norms do not count
    1.0
    >>> bool(mutual_knn(X, X * lengths, metric="euclidean").value < 0.8)
    True
    """
    if metric not in get_args(Metric):
        raise InputError(f"metric is {metric!r}; it must be one of {', '.join(get_args(Metric))}.")
    pair = (unit_rows(a, "a"), unit_rows(b, "b")) if metric == "cosine" else (a, b)
    first, second = (neighbor_graph(X, k, inputs=inputs, groups=groups) for X in pair)
    return neighborhood_overlap(first, second, k)


def unit_rows(X: object, name: str = "X") -> FloatArray:
    """Return the rows divided by their norms, in float64: (n, D).

    Raises
    ------
    InputError
        If a row is zero, or ``X`` is not a finite matrix.

    Examples
    --------
    >>> unit_rows([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]]).tolist()
    [[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]]
    """
    rows = arrays.points(X, name).astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if not largest.all():
        bad = np.flatnonzero(largest == 0)
        raise InputError(
            f"{name} has {len(bad)} zero rows (first: row {bad[0]}), which have no direction; "
            "leave them out, or compare by metric='euclidean'."
        )
    rows /= largest  # their squares are finite
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
