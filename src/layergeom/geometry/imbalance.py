"""Information imbalance: how far the neighbours of one layer are neighbours at another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry._plain import Cloud, Products
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Estimate, row_adjacency, standard_error

BLOCK_ENTRIES = 2_000_000  # entries of one block of bounds: 16 MB, four of them at a time
ROUNDING = 1e-9  # covers the rounding of sums of squares, as in the neighbour search


@dataclass(frozen=True, eq=False)
class ImbalanceEstimate(Estimate):
    """An information imbalance with its error.

    Attributes
    ----------
    k : int
        Neighbours whose ranks are averaged.
    queries : int
        Rows whose neighbours were ranked; fewer than all where a sample was asked for.
    """

    k: int
    queries: int


def information_imbalance(
    graph: NeighborGraph, X: object, k: int = 1, *, queries: int | None = None, seed: int = 0
) -> ImbalanceEstimate:
    """Return the information imbalance from the layer of ``graph`` to the layer of ``X``.

    Parameters
    ----------
    graph : NeighborGraph
        Neighbours at layer A.
    X : array_like, shape (n, D)
        Points of the same rows at layer B.
    k : int
        Neighbours at A whose ranks at B are averaged, at most what the graph lists.
    queries : int, optional
        Rank the neighbours of so many rows, drawn without replacement; all rows otherwise.
    seed : int
        Of that draw.

    Returns
    -------
    ImbalanceEstimate
        Δ(A→B) = 2/N · mean rank at B of the k nearest at A. About (k + 1)/N, for k = 1 exactly
        2/N, if A tells all about B's neighbourhoods, and 1 if it tells nothing. Not symmetric.

    Raises
    ------
    InputError
        If the rows do not agree, X is not finite, the graph lists fewer than k neighbours, or
        there are not 2 to n queries.

    Notes
    -----
    Glielmo et al. 2022 (PNAS Nexus 1, pgac039), equation 2. Ranks count all other rows and are
    exact: by float64 direct differences wherever the bounds of a float64 product do not decide;
    ties are ranked by lower index, so that many equal rows make the value depend on row order.
    The error accounts for rows that share neighbours at A; for a sample it is that of the sample.
    One q × D × N product in float64; memory: one float64 copy of X and 64 MB of blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).standard_normal((200, 5))
    >>> information_imbalance(neighbor_graph(X, k=1), X).value
    0.01
    """
    points = arrays.points(X)
    n = len(points)
    check_graph(graph)
    if graph.n != n:
        raise InputError(f"the graph has {graph.n} rows but X has {n}; both must be the same rows.")
    neighbors = _listed(graph, k)
    rows = _drawn(n, queries, seed)
    cloud = Cloud(points, None)
    ranks = np.concatenate(list(_ranks(cloud, rows, neighbors[rows])))
    scaled = 2 / n * ranks.mean(axis=1)
    value = 2 * float(ranks.sum()) / (n * ranks.size)
    influence = np.zeros(n)
    influence[rows] = (scaled - value) * (n / len(rows))
    error = standard_error(influence, row_adjacency(graph, neighbors.shape[1]))
    return ImbalanceEstimate(value, error, influence, neighbors.shape[1], len(rows))


def _listed(graph: NeighborGraph, k: int) -> IntArray:
    k = arrays.count(k, "k", 1, graph.k)
    neighbors = graph.indices[:, :k]
    short = np.flatnonzero((neighbors < 0).any(axis=1))
    if len(short):
        raise InputError(
            f"row {short[0]} has fewer than {k} neighbours outside its group; build the graph "
            "without groups, or take a smaller k."
        )
    return neighbors


def _drawn(n: int, queries: int | None, seed: int) -> IntArray:
    if queries is None:
        return np.arange(n)
    chosen = arrays.count(queries, "queries", 2, n)
    return np.sort(np.random.default_rng(seed).choice(n, chosen, replace=False))


def _ranks(cloud: Cloud, rows: IntArray, neighbors: IntArray) -> Iterator[IntArray]:
    """Ranks of the given neighbours of ``rows`` among all other rows, block by block."""
    products = Products(cloud, np.dtype(np.float64))
    norms = np.einsum("ij,ij->i", products.Y, products.Y)
    gaps = 2 * (norms - 2 * np.asarray(products.half, dtype=np.float64))
    step = max(1, BLOCK_ENTRIES // len(norms))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        lower = 2 * (products.lower(block) + products.half[block, None]) - products.floor
        upper = lower + gaps + (gaps[block, None] + 2 * products.floor)
        yield np.array(
            [
                _row_ranks(cloud, int(row), listed, lower[at], upper[at])
                for at, (row, listed) in enumerate(
                    zip(block, neighbors[start : start + step], strict=True)
                )
            ]
        )


def _row_ranks(
    cloud: Cloud, row: int, listed: IntArray, lower: FloatArray, upper: FloatArray
) -> list[int]:
    """Ranks of one row's neighbours; ``lower`` and ``upper`` bound its squared distances."""
    distances = cloud.distances(row, listed)
    squared = (distances / cloud.scale) ** 2
    ranks = []
    for neighbor, distance, square in zip(listed, distances, squared, strict=True):
        nearer = upper < square * (1 - ROUNDING)
        open_ = np.flatnonzero((lower <= square * (1 + ROUNDING)) & ~nearer)
        exact = cloud.distances(row, open_)
        before = (exact < distance) | ((exact == distance) & (open_ < neighbor))
        ranks.append(1 + int(np.count_nonzero(nearer)) + int(np.count_nonzero(before)))
    return ranks
