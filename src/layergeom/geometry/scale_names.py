"""Scales at which one dimension per layer is read, by name: nearest, gride-16, decimated-4."""

from __future__ import annotations

import re

from layergeom.errors import InputError
from layergeom.geometry.decimations import decimated_twonn
from layergeom.geometry.dimension import DimensionEstimate, gride, twonn
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Joined, adjacency

NEAREST = "nearest"
_NAME = re.compile(r"(gride|decimated)-([1-9]\d*)")


def scale_name(text: object) -> str:
    """Return the name of a scale if it is one.

    Raises
    ------
    InputError
        If it is none of ``nearest``, ``gride-<n1>`` and ``decimated-<factor>``.

    Examples
    --------
    >>> scale_name("gride-16")
    'gride-16'
    """
    if text == NEAREST or (isinstance(text, str) and _NAME.fullmatch(text)):
        return str(text)
    raise InputError(
        f"scale is {text!r}; give nearest (TwoNN of all points), gride-N with the rank n1 (such as "
        "gride-16), or decimated-F with the factor (such as decimated-4)."
    )


def farthest_rank(scale: str) -> int:
    """Return the neighbour rank n2 that a scale reads on all points.

    Examples
    --------
    >>> [farthest_rank(scale) for scale in ("nearest", "gride-16", "decimated-4")]
    [2, 32, 2]
    """
    kind, number = _parts(scale)
    return 2 * number if kind == "gride" else 2


def scale_words(scale: str, between_groups: bool = False) -> str:
    """Return how a scale reads the dimension, in words.

    Examples
    --------
    >>> scale_words("decimated-4")
    'TwoNN, maximum likelihood on 4 disjoint subsets of distinct points'
    """
    kind, number = _parts(scale)
    words = {
        NEAREST: "TwoNN, maximum likelihood on distinct points",
        "gride": f"Gride at n1 = {number}, maximum likelihood on distinct points",
        "decimated": f"TwoNN, maximum likelihood on {number} disjoint subsets of distinct points",
    }[kind]
    return words.replace(",", " between groups,", 1) if between_groups else words


def dimension_at(
    X: object, graph: NeighborGraph, scale: str = NEAREST, seed: int = 0
) -> tuple[DimensionEstimate, Joined]:
    """Return the dimension at a named scale, and which rows do not speak independently.

    Parameters
    ----------
    X : array_like, shape (n, D)
        The points of ``graph``.
    graph : NeighborGraph
        With ranks up to n2 of the scale.
    scale : str
        ``nearest``: TwoNN of all points. ``gride-<n1>``: Gride with n2 = 2 n1 (Denti et al. 2022).
        ``decimated-<f>``: mean TwoNN over f disjoint subsets, as Valeriani et al. 2023 report with
        f = 4, here with the neighbour-graph-robust error.
    seed : int
        Splits the subsets.

    Raises
    ------
    DegenerateError
        If the points are too few or discrete.
    InputError
        For a scale that has no such name, or ranks beyond the graph's.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry.neighbors import neighbor_graph
    >>> X = np.random.default_rng(0).random((600, 2))
    >>> graph = neighbor_graph(X, k=32)
    >>> [round(dimension_at(X, graph, scale)[0].value, 1) for scale in ("nearest", "decimated-4")]
    [2.0, 2.1]
    """
    kind, number = _parts(scale_name(scale))
    if kind == "decimated":
        return decimated_twonn(X, graph, number, seed)
    found = twonn(graph) if kind == NEAREST else gride(graph, number)
    return found, adjacency(graph, farthest_rank(scale))


def _parts(scale: str) -> tuple[str, int]:
    kind, _, number = scale.partition("-")
    return kind, int(number or 1)
