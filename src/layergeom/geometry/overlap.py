"""Neighbourhood overlap: how many neighbours two layers share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry._shared import shared_by_row, shared_counts
from layergeom.geometry.groups import chance_of_neighbors
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Estimate, Joined, JoinedLayers, row_adjacency
from layergeom.written import counted


@dataclass(frozen=True, eq=False)
class OverlapEstimate(Estimate):
    """A mean overlap in [0, 1], with its error and the level that chance reaches.

    Attributes
    ----------
    k : int
        Neighbours compared.
    chance : float
        Expected value for independent layers, or for labels dealt at random.
    rows : int
        Rows that count.
    left_out : int
        Rows without an admissible match or with fewer than k admissible neighbours.
    """

    k: int
    chance: float
    rows: int
    left_out: int


def neighborhood_overlap(a: NeighborGraph, b: NeighborGraph, k: int = 30) -> OverlapEstimate:
    """Return the mean share of the k nearest neighbours that two layers have in common.

    Parameters
    ----------
    a, b : NeighborGraph
        Graphs of the same rows at two layers.
    k : int
        Neighbours compared, at most what both graphs list. The papers use 10 and 30.

    Returns
    -------
    OverlapEstimate
        chi = mean_i Σ_j min(w_a, w_b)/k in [0, 1]; chance is k/(N-1), with groups the mean of k
        over the rows of other groups. Points tied at the k-th distance share the remaining places
        equally, so chi is 1 for identical layers and does not depend on the order of the rows.

    Raises
    ------
    InputError
        If the graphs differ in their rows or groups, or list fewer than k neighbours.
    DegenerateError
        If no row has k neighbours in other groups.

    Warns
    -----
    GeometryWarning
        If rows with fewer than k neighbours in other groups are left out.

    Notes
    -----
    Valeriani et al. 2023, section 2.3 (after Doimo et al. 2020). Repeated rows are neighbours at
    distance 0 in every layer and raise chi.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).standard_normal((200, 5))
    >>> g = neighbor_graph(X, k=30)
    >>> neighborhood_overlap(g, g).value
    1.0
    """
    _same_rows([a, b])
    k = min(a.checked_k(k), b.checked_k(k))
    counted = _counted([a, b], k)
    [pair] = _shared_by_pair([a, b], k, counted)
    influence = pair.influence(k)
    error = JoinedLayers([row_adjacency(a, k), row_adjacency(b, k)]).standard_error(0, 1, influence)
    chance = chance_of_neighbors(a.n, a.groups, k, counted)
    return OverlapEstimate(pair.mean(k), error, influence, k, chance, pair.rows, a.n - pair.rows)


def overlap_matrix(
    graphs: Sequence[NeighborGraph], k: int = 30, joined: Sequence[Joined] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the overlap of every two layers and its standard error: two (L, L) arrays.

    See :func:`neighborhood_overlap`. The diagonal is 1, with error nan (nothing was estimated).
    ``joined`` are the row adjacencies of the graphs, where they have been made already. The errors
    take two sparse products for each two layers; memory beside the adjacencies: that of
    :class:`layergeom.geometry.uncertainty.JoinedLayers`, some 16 n L k bytes, and up to 2 n L k
    bytes of words (L <= 32). :func:`overlap_matrices` gives the values alone, sooner.

    Rows with fewer than k neighbours in other groups at any layer are left out, with a warning.
    """
    _same_rows(graphs)
    values = np.ones((len(graphs), len(graphs)))
    errors = np.full(values.shape, np.nan)
    wanted = [graph.checked_k(k) for graph in graphs]
    if len(graphs) < 2:
        return values, errors
    k = wanted[0]
    layers = JoinedLayers([row_adjacency(g, k) for g in graphs] if joined is None else joined)
    for pair in _shared_by_pair(graphs, k, _counted(graphs, k)):
        i, j = pair.layers
        values[i, j] = values[j, i] = pair.mean(k)
        errors[i, j] = errors[j, i] = layers.standard_error(i, j, pair.influence(k))
    return values, errors


def overlap_matrices(graphs: Sequence[NeighborGraph], ks: Sequence[int]) -> FloatArray:
    """Return the overlap of every two layers for several k in one pass, without errors.

    Parameters
    ----------
    graphs : sequence of L NeighborGraph
        Graphs of the same rows.
    ks : sequence of int
        Neighbours compared, in any order, each at most what every graph lists.

    Returns
    -------
    ndarray, shape (len(ks), L, L)
        In [0, 1]; the numbers of :func:`neighborhood_overlap`, with 1 on the diagonals.

    Raises
    ------
    InputError
        If the graphs differ in their rows or groups, or list fewer than a k of neighbours.
    DegenerateError
        If no row has k neighbours in other groups.

    Notes
    -----
    One sort of the N L max(k) listed neighbours, and one count of bits per k. Rows with a tie at
    a k-th distance that reaches beyond the k places, at any layer and k, are compared one pair
    after the other by their weights: slow where most rows are tied (lattices, rounded data).
    """
    _same_rows(graphs)
    wanted = [min(graph.checked_k(k) for graph in graphs) for k in ks] if graphs else []
    values = np.ones((len(ks), len(graphs), len(graphs)))
    if not wanted:
        return values
    steps, back = np.unique(wanted, return_inverse=True)
    passes = [steps] if _complete(graphs, int(steps[-1])).all() else np.split(steps, len(steps))
    means = np.concatenate([_matrices_of_pass(graphs, some.tolist()) for some in passes])
    for at, place in enumerate(back.reshape(-1).tolist()):
        values[at] = means[place]
    return values


def _matrices_of_pass(graphs: Sequence[NeighborGraph], ks: list[int]) -> FloatArray:
    """Overlaps for ascending k, for all of which the same rows count: (len(ks), L, L)."""
    counted = _counted(graphs, ks[-1])
    tied = _tied_rows(graphs, ks, counted)
    plain = counted.copy()
    plain[tied] = False
    counts = shared_counts(
        [graph.indices for graph in graphs], ks, None if plain.all() else np.flatnonzero(plain)
    )
    rows = int(counted.sum())
    return np.array([_means(counts[at], graphs, k, tied, rows) for at, k in enumerate(ks)])


def _complete(graphs: Sequence[NeighborGraph], k: int) -> BoolArray:
    """Return which rows list k neighbours at every layer: (n,)."""
    complete = np.ones(graphs[0].n, dtype=bool)
    for graph in graphs:
        complete &= graph.indices[:, k - 1] >= 0
    return complete


def _counted(graphs: Sequence[NeighborGraph], k: int) -> BoolArray:
    """Return the rows that count, and tell of those that do not."""
    whole = _complete(graphs, k)
    if not whole.any():
        raise DegenerateError(f"no row has {k} neighbours in other groups; take a smaller k.")
    if not whole.all():
        warnings.warn(
            f"{counted(int((~whole).sum()), 'row does', 'rows do')} not count in the overlap at "
            f"k = {k}, for fewer neighbours in other groups.",
            GeometryWarning,
            stacklevel=4,
        )
    return whole


@dataclass(frozen=True, eq=False)
class _Pair:
    """What two layers share in each row, and in sum."""

    layers: tuple[int, int]
    shared: FloatArray
    total: float
    rows: int
    counted: BoolArray

    def mean(self, k: int) -> float:
        return self.total / (self.rows * k)

    def influence(self, k: int) -> FloatArray:
        share = self.shared / k
        if self.rows == len(share):
            return np.asarray(share - share.mean())
        deviation = (share - share[self.counted].mean()) * (len(share) / self.rows)
        return np.where(self.counted, deviation, 0.0)


def _shared_by_pair(graphs: Sequence[NeighborGraph], k: int, counted: BoolArray) -> Iterator[_Pair]:
    tied = _tied_rows(graphs, [k], counted)
    members = [graph.weights(k)[tied] for graph in graphs] if len(tied) else []
    rows = int(counted.sum())
    for i, j, counts in shared_by_row([graph.indices for graph in graphs], k):
        counts[tied] = 0
        if rows < len(counts):
            counts[~counted] = 0
        shared, total = counts.astype(np.float64), float(counts.sum())
        if len(tied):
            shared[tied] = _row_sums(members[i].minimum(members[j]))
            total = math.fsum([*shared[tied].tolist(), total])
        yield _Pair((i, j), shared, total, rows, counted)


def _tied_rows(graphs: Sequence[NeighborGraph], ks: Sequence[int], counted: BoolArray) -> IntArray:
    """Return the rows that count and have a tie at any layer and k beyond the k places."""
    tied = np.unique(np.concatenate([graph.tied_rows(k) for graph in graphs for k in ks]))
    return np.asarray(tied[counted[tied]])


def _means(
    counts: IntArray, graphs: Sequence[NeighborGraph], k: int, tied: IntArray, rows: int
) -> FloatArray:
    """Add what the tied rows share to the counts of the others, and divide by their number."""
    sums = counts.astype(np.float64)
    if len(tied):
        members = [graph.weights(k)[tied] for graph in graphs]
        for i, j in combinations(range(len(graphs)), 2):
            shares = _row_sums(members[i].minimum(members[j]))
            sums[i, j] = sums[j, i] = math.fsum([*shares.tolist(), counts[i, j]])
    means: FloatArray = sums / (rows * k)
    np.fill_diagonal(means, 1)
    return np.asarray(means)


def _same_rows(graphs: Sequence[NeighborGraph]) -> None:
    for graph in graphs:
        check_graph(graph, "the graph of a layer")
        if graph.n != graphs[0].n:
            raise InputError(
                f"the layers have different N ({graphs[0].n} and {graph.n} rows); an overlap "
                "compares equal rows."
            )
        if not _same_groups(graphs[0], graph):
            raise InputError(
                "the layers have different groups; build all graphs of an overlap with the same."
            )


def _same_groups(a: NeighborGraph, b: NeighborGraph) -> bool:
    if a.groups is None or b.groups is None:
        return a.groups is b.groups
    return a.groups is b.groups or np.array_equal(a.groups, b.groups)


def _row_sums(matrix: sp.csr_array) -> FloatArray:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).reshape(-1)
