"""Ratios of neighbour distances between groups: the law of TwoNN where rows come in clumps.

With neighbours from other groups alone, r1 and r2 still often belong to two siblings of one other
group, and their ratio is close to 1: ten dimensions read 14. What holds for rows in clumps of any
kind is a law of means. Let R be the distance to the K-th nearest other group. Which rows the
nearer groups have inside R depends on how they clump; but where the density of rows is constant,
each lies with the same density at every place, so that among all rows inside R the share nearer
than s is (s/R)^d. Hence log(R/s), over all rows inside, has the law Exp(d) of log mu. With one row
per group and K = 2 there is one such row, and this is TwoNN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry.neighbors import NeighborGraph


@dataclass(frozen=True, eq=False)
class Ratios:
    """Logarithms of distance ratios and the distinct point that each is seen from.

    Attributes
    ----------
    log_mu : ndarray, shape (m,)
        At least one for every distinct point; m = p without groups.
    owner : ndarray, shape (m,)
        Position of the distinct point.
    inner, outer : ndarray, shape (p,)
        Distances r_n1 and r_n2 of every distinct point.
    """

    log_mu: FloatArray
    owner: IntArray
    inner: FloatArray
    outer: FloatArray


def distance_ratios(graph: NeighborGraph, n1: int, n2: int) -> Ratios:
    """Return the ratios r_n2/r_n1; with groups, of r_n2 to all rows of the nearer groups.

    With groups, r_j is the distance to the j-th nearest other group.

    Raises
    ------
    InputError
        If the lists of the graph do not reach so far.
    """
    distances, _ = graph.points
    check_reach(graph, n2)
    outer, inner = ranked_distances(graph, n2), ranked_distances(graph, n1)
    if graph.unit_ranks is None:
        owner, within = np.arange(len(distances)), inner
    else:
        owner, place = np.nonzero(graph.unit_ranks < n2)
        within = distances[owner, place]
    with np.errstate(over="ignore"):  # an infinite ratio has no likelihood, which is reported
        return Ratios(np.log(outer[owner] / within), owner, inner, outer)


def summed_log_ratios(graph: NeighborGraph, k: int) -> tuple[FloatArray, FloatArray]:
    """Return number and sum of log(r_k/r_j) over all nearer neighbours of every point: (p,) each.

    Raises
    ------
    InputError
        If the lists of the graph do not reach so far.
    """
    check_reach(graph, k)
    if graph.unit_ranks is None:
        logs = np.log(graph.points[0][:, :k])
        return np.full(len(logs), k - 1.0), np.asarray((logs[:, -1:] - logs).sum(axis=1))
    ratios = distance_ratios(graph, 1, k)
    counts = np.bincount(ratios.owner).astype(np.float64)
    return counts, np.asarray(np.bincount(ratios.owner, ratios.log_mu), dtype=np.float64)


def ranked_distances(graph: NeighborGraph, rank: int) -> FloatArray:
    """Return r_rank of every distinct point: (p,)."""
    distances, _ = graph.points
    if graph.unit_ranks is None:
        return distances[:, rank - 1]
    place = (graph.unit_ranks < rank).sum(axis=1)
    return np.asarray(distances[np.arange(len(distances)), place])


def reach(graph: NeighborGraph) -> int:
    """Return the largest rank that every list holds."""
    if graph.unit_ranks is None:
        return int(graph.points[0].shape[1])
    return int(graph.unit_ranks[:, -1].min())


def check_reach(graph: NeighborGraph, n2: int) -> None:
    """Raise an InputError if the lists do not hold rank ``n2``."""
    if n2 > reach(graph):
        what = "neighbours" if graph.groups is None else "groups that every list meets"
        raise InputError(
            f"rank n2 = {n2} exceeds the {reach(graph)} {what} in the graph; build it with "
            f"neighbor_graph(X, k={n2})" + ("." if graph.groups is None else " or a larger k.")
        )
