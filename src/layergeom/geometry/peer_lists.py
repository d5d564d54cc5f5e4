"""Neighbour lists in the form in which DADApy takes and gives them."""

from __future__ import annotations

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph


def dadapy_lists(graph: NeighborGraph, *, distinct: bool = False) -> tuple[FloatArray, IntArray]:
    """Return a graph as DADApy's ``distances`` and ``dist_indices``.

    Parameters
    ----------
    graph : NeighborGraph
    distinct : bool
        The lists of the distinct points in place of those of the rows; point i is row
        ``graph.representatives[i]``. DADApy's estimators take repeated rows for neighbours at
        distance 0.

    Returns
    -------
    distances, dist_indices : ndarray, shape (n, k + 1)
        Column 0 is the row itself, at distance 0. ``dadapy.Data(distances=(distances,
        dist_indices), maxk=k)`` takes them; without ``maxk`` it reads 100 neighbours at most.

    Raises
    ------
    InputError
        If a row has fewer than k neighbours (groups, ``exclude``): DADApy knows no gaps.
    DegenerateError
        If ``distinct`` is asked of a graph with ``exclude``.

    Notes
    -----
    The way back is ``NeighborGraph.from_arrays(data.distances, data.dist_indices,
    self_included=True)``. It knows ties inside the lists only, and only such repeated rows as
    stand there at distance 0 exactly.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> distances, indices = dadapy_lists(neighbor_graph([[0.0], [1.0], [3.0], [7.0]], k=2))
    >>> indices.tolist()
    [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 2, 1]]
    >>> distances[3].tolist()
    [0.0, 4.0, 6.0]
    """
    check_graph(graph)
    distances, indices = graph.points if distinct else (graph.distances, graph.indices)
    if not np.isfinite(distances).all():
        row = int(np.argmax(~np.isfinite(distances).all(axis=1)))
        raise InputError(
            f"row {row} has fewer than {indices.shape[1]} neighbours, because rows of its group "
            "are none; DADApy's lists have no gaps, so build a graph without groups and exclude."
        )
    own = np.arange(len(indices))[:, None]
    return np.hstack([np.zeros(own.shape), distances]), np.hstack([own, indices])
