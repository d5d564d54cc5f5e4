"""One partition of rows at every layer: dimension over scales, overlap, information imbalance."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from layergeom.arrays import IntArray, Points
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry import information_imbalance, neighbor_graph, scale_analysis
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.states.hidden import HiddenStates
from layergeom.tasks.cloud_quantities import next_overlaps

FIRST = "block_1"  # last tokens repeat in the embedding
LISTED = 64  # neighbours of the graph, from which Gride reaches n1 = 32 on all rows


@dataclass(frozen=True)
class PartitionCurves:
    """What one partition says, by layer.

    Attributes
    ----------
    rows : int
        Of the partition.
    distinct : tuple of int
        Rows that differ.
    ranks : tuple of int
        n1 of the scales.
    scales : tuple of tuples of float
        Gride at each layer and scale, nan where there is none.
    overlap_next : tuple of float
        With the next layer, nan at the last.
    imbalance_first, imbalance_last, imbalance_next : tuple of float
        Δ(layer → ``block_1``), Δ(layer → the last layer), Δ(layer → the next layer).
    """

    rows: int
    distinct: tuple[int, ...]
    ranks: tuple[int, ...]
    scales: tuple[tuple[float, ...], ...]
    overlap_next: tuple[float, ...]
    imbalance_first: tuple[float, ...]
    imbalance_last: tuple[float, ...]
    imbalance_next: tuple[float, ...]


def partition_curves(
    hidden: HiddenStates, rows: IntArray, k: int, queries: int | None = None, seed: int = 0
) -> PartitionCurves:
    """Measure some rows of states at every layer.

    Parameters
    ----------
    hidden : HiddenStates
        One layer of the rows is in memory at a time, with two more for the imbalances.
    rows : ndarray of int
    k : int
        Neighbours compared by the overlap.
    queries : int, optional
        Rows whose neighbours are ranked for the imbalances; all by default.
    seed : int
        Draws them, and the rows from which large scales are read.

    Notes
    -----
    Cost per layer: a neighbour search, one product of 512 x n x D and three of queries x n x D.
    """
    graphs, found = [], []
    with warnings.catch_warnings():
        # last tokens repeat in the embedding; `distinct` says how many
        warnings.simplefilter("ignore", GeometryWarning)
        for key in hidden.layers:
            graph, scale = _scales(hidden[key][rows], max(k, LISTED), seed)
            graphs.append(graph)
            found.append(scale)
        overlaps = next_overlaps(graphs, k)
        imbalances = _imbalances(hidden, rows, graphs, queries, seed)
    ranks = max((scale[0] for scale in found), key=len)
    return PartitionCurves(
        len(rows),
        tuple(1 if graph is None else graph.n_distinct for graph in graphs),
        ranks,
        tuple(_padded(values, len(ranks)) for _, values in found),
        overlaps,
        *imbalances,
    )


def _scales(
    X: Points, listed: int, seed: int
) -> tuple[NeighborGraph | None, tuple[tuple[int, ...], tuple[float, ...]]]:
    graph = None
    try:
        graph = neighbor_graph(X, k=min(listed, len(X) - 1))
        analysis = scale_analysis(X, graph, seed)
    except DegenerateError:
        return graph, ((), ())
    return graph, (tuple(analysis.ranks.tolist()), tuple(analysis.values.tolist()))


def _padded(values: tuple[float, ...], size: int) -> tuple[float, ...]:
    return values + (float("nan"),) * (size - len(values))


def _imbalances(
    hidden: HiddenStates,
    rows: IntArray,
    graphs: Sequence[NeighborGraph | None],
    queries: int | None,
    seed: int,
) -> tuple[tuple[float, ...], ...]:
    """Δ of every layer to the first, the last and the next."""
    ends = [hidden[key][rows] for key in (FIRST, hidden.layers[-1])]
    table: list[list[float]] = [[], [], []]
    for at, graph in enumerate(graphs):
        following = hidden[hidden.layers[at + 1]][rows] if at + 1 < len(graphs) else None
        for column, points in zip(table, (*ends, following), strict=True):
            column.append(_imbalance(graph, points, queries, seed))
    return tuple(map(tuple, table))


def _imbalance(
    graph: NeighborGraph | None, points: Points | None, queries: int | None, seed: int
) -> float:
    if graph is None or points is None:
        return float("nan")
    asked = None if queries is None or queries >= graph.n else queries
    return information_imbalance(graph, points, 1, queries=asked, seed=seed).value
