"""What overlaps reach by chance: the rows of a layer, or the labels, dealt at random."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry import NeighborGraph, overlap_matrices, permutation_level
from layergeom.geometry._found import Found
from layergeom.geometry.alignment import PermutationLevel
from layergeom.geometry.groups import class_sizes, crossed, own_where_missing, rows_of_own
from layergeom.geometry.point_search import without
from layergeom.layer import Labels

DRAWS = 100


def row_level(
    a: NeighborGraph, b: NeighborGraph, k: int, draws: int = DRAWS, seed: int = 0
) -> PermutationLevel:
    """Return what the overlap of two layers reaches with the rows of ``b`` dealt at random.

    Parameters
    ----------
    a, b : NeighborGraph
        Of the same rows and groups. With groups, groups are dealt as wholes, and a dealt list
        gives up what is of the row's own group for the neighbours that follow.
    k : int
        Neighbours compared.
    draws : int, >= 20
        How often the rows are dealt.
    seed : int
        Of the draws.

    Returns
    -------
    PermutationLevel
        The mean is k/(n-1) in expectation, with groups of one size the mean of k over the rows of
        other groups; the quantile is for one pair of layers.

    Notes
    -----
    Cost: one comparison of neighbour lists per draw. When it misleads: between neighbouring
    layers of a network nobody expects independence; being above this level says little.
    """
    groups = a.groups
    if groups is None:
        return permutation_level(a, b, k=k, permutations=draws, seed=seed)
    rng, near = np.random.default_rng(seed), a.nearest(a.checked_k(k))

    def value() -> float:
        other = _dealt(b, dealt_rows(groups, rng), groups)
        return float(overlap_matrices([near, other], [k])[0, 0, 1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)  # rows whose dealt lists are too short
        return _level(value, draws)


def label_level(
    graph: NeighborGraph, given: Labels, k: int, draws: int = DRAWS, seed: int = 0
) -> PermutationLevel:
    """Return what the label overlap reaches with the labels dealt at random.

    Parameters
    ----------
    graph : NeighborGraph
        Lists of at least k neighbours, without those that ``given.exclude`` leaves out.
    given : Labels
        Rows without a label keep none.
    k, draws, seed
        As of :func:`row_level`.

    Returns
    -------
    PermutationLevel
        Without groups and exclusion the mean is Σ_c (n_c/N)(n_c - 1)/(N - 1) in expectation. With
        them, labels are dealt among whole families (or groups), so that classes change their
        size.

    Raises
    ------
    DegenerateError
        If no row has a label that another admissible row shares.
    """
    excluded = None if given.exclude is None else own_where_missing(given.exclude)
    units = graph.groups if excluded is None else excluded
    own = [partition for partition in (graph.groups, excluded) if partition is not None]
    lists, rng = _Lists.of(graph, k), np.random.default_rng(seed)
    return _level(lambda: lists.share(dealt_labels(given.codes, units, rng), own), draws)


def _level(value: Callable[[], float], draws: int) -> PermutationLevel:
    found = np.array([value() for _ in range(draws)])
    spread = float(found.std(ddof=1))
    error = spread / np.sqrt(draws) if spread > 0 else np.nan
    return PermutationLevel(
        float(found.mean()), float(error), float(np.quantile(found, 0.95)), draws
    )


def dealt_rows(groups: IntArray, rng: np.random.Generator) -> IntArray:
    """Return an order of the rows in which groups change places as wholes, as far as sizes allow.

    Two lists of all groups in random order, the rows of a group side by side: what stands at one
    place of the first takes the row at that place of the second.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.array([0, 0, 1, 1, 2, 2])
    >>> order = dealt_rows(groups, np.random.default_rng(0))
    >>> bool((groups[order[::2]] == groups[order[1::2]]).all())
    True
    """
    order = np.empty(len(groups), dtype=np.int64)
    order[_listed(groups, rng)] = _listed(groups, rng)
    return order


def _listed(groups: IntArray, rng: np.random.Generator) -> IntArray:
    place = rng.permutation(int(groups.max()) + 1)
    return np.lexsort((rng.random(len(groups)), place[groups]))


def dealt_labels(codes: IntArray, units: IntArray | None, rng: np.random.Generator) -> IntArray:
    """Return the labels dealt anew: among rows, or among units whose rows have one label each.

    Units whose rows differ in their labels are dealt as wholes (:func:`dealt_rows`). A row or unit
    without a label (-1) has none afterwards, but where rows of a unit differ.
    """
    if units is None:
        return _shuffled(codes, rng)
    first = np.zeros(int(units.max()) + 1, dtype=np.int64)
    first[units] = np.arange(len(units))
    of_unit = codes[first]
    if (of_unit[units] == codes).all():
        return np.asarray(_shuffled(of_unit, rng)[units])
    return np.asarray(codes[dealt_rows(units, rng)])


def _shuffled(codes: IntArray, rng: np.random.Generator) -> IntArray:
    dealt, known = codes.copy(), np.flatnonzero(codes >= 0)
    dealt[known] = codes[rng.permutation(known)]
    return dealt


def _dealt(graph: NeighborGraph, order: IntArray, groups: IntArray) -> NeighborGraph:
    """Return the graph with row ``order[i]`` in place i, without neighbours of the own group."""
    place: IntArray = np.argsort(order)
    indices = np.where(graph.indices[order] >= 0, place[graph.indices[order]], -1)
    ties = {int(place[row]): place[members] for row, members in graph.ties.items()}
    found = without(Found(graph.distances[order], indices, ties), groups)
    point = graph.point[order]
    return NeighborGraph(found.distances, found.indices, found.ties, point, None, None, groups)


@dataclass(frozen=True, eq=False)
class _Lists:
    """Neighbour lists as pairs of rows with their weights, for labels dealt again and again."""

    rows: IntArray
    neighbors: IntArray
    weights: FloatArray  # they sum to 1 in each row
    complete: BoolArray

    @classmethod
    def of(cls, graph: NeighborGraph, k: int) -> _Lists:
        members = graph.weights(k).tocoo()
        complete = np.asarray(graph.indices[:, k - 1] >= 0)
        return cls(
            members.row.astype(np.int64), members.col.astype(np.int64), members.data / k, complete
        )

    def share(self, codes: IntArray, own: list[IntArray]) -> float:
        """Return the mean share of neighbours with the row's label over the rows that count."""
        labelled = codes + 1
        alike = [crossed(labelled, partition) for partition in own]
        possible = class_sizes(labelled) > rows_of_own(len(codes), alike)
        counted = (codes >= 0) & possible & self.complete
        if not counted.any():
            raise DegenerateError("no row has a label that another admissible row shares.")
        same = codes[self.rows] == codes[self.neighbors]
        shares = np.bincount(self.rows, self.weights * same, len(codes))
        return float(shares[counted].mean())
