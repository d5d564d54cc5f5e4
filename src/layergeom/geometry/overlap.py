"""Neighbourhood overlap: how many neighbours two layers share, and how many share a label."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Estimate, joint_form, row_adjacency, standard_error

Weighting: TypeAlias = Literal["row", "class"]

LEFT_OUT = "no label, no other row with their label, or too few admissible neighbours"


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
        chi = mean_i Σ_j min(w_a, w_b)/k in [0, 1]; chance is k/(N-1). Points tied at the k-th
        distance share the remaining places equally, so chi is 1 for identical layers and does not
        depend on the order of the rows.

    Raises
    ------
    InputError
        If the graphs have different numbers of rows or list fewer than k neighbours.

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
    _same_rows(a, b)
    shared = _shared(a.weights(k), b.weights(k), k)
    return _overlap(shared, row_adjacency(a, k), row_adjacency(b, k), k)


def overlap_matrix(
    graphs: Sequence[NeighborGraph], k: int = 30, joined: Sequence[sp.csr_array] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the overlap of every two layers and its standard error: two (L, L) arrays.

    See :func:`neighborhood_overlap`. The diagonal is 1, with error nan (nothing was estimated).
    ``joined`` are the row adjacencies of the graphs, where they have been made already.
    """
    for graph in graphs[1:]:
        _same_rows(graphs[0], graph)
    members = [graph.weights(k) for graph in graphs]
    joined = [row_adjacency(graph, k) for graph in graphs] if joined is None else joined
    size = len(graphs)
    values, errors = np.eye(size), np.full((size, size), np.nan)
    for i in range(size):
        for j in range(i + 1, size):
            found = _overlap(_shared(members[i], members[j], k), joined[i], joined[j], k)
            values[i, j] = values[j, i] = found.value
            errors[i, j] = errors[j, i] = found.error
    return values, errors


def _same_rows(a: NeighborGraph, b: NeighborGraph) -> None:
    if a.n != b.n:
        raise InputError(
            f"the layers have different N ({a.n} and {b.n} rows); an overlap compares equal rows."
        )


def _shared(a: sp.csr_array, b: sp.csr_array, k: int) -> FloatArray:
    """Share of neighbours in common, for every row."""
    return np.asarray(a.minimum(b).sum(axis=1)).reshape(-1) / k


def _overlap(
    shared: FloatArray, joined_a: sp.csr_array, joined_b: sp.csr_array, k: int
) -> OverlapEstimate:
    n = len(shared)
    influence = shared - shared.mean()
    variance = joint_form(influence, influence, joined_a, joined_b)
    error = float(np.sqrt(variance)) / n if variance > 0 else float("nan")
    return OverlapEstimate(float(shared.mean()), error, influence, k, k / (n - 1), n, 0)


def label_overlap(
    graph: NeighborGraph,
    labels: object,
    k: int = 30,
    *,
    exclude: object = None,
    weighting: Weighting = "row",
    class_fraction: float | None = None,
) -> OverlapEstimate:
    """Return the mean share of the k nearest neighbours that have the row's own label.

    Parameters
    ----------
    graph : NeighborGraph
        Lists at least k neighbours; with ``exclude``, build it with ``groups=exclude``.
    labels : sequence of n classes
        Missing labels (None, NaN, "") leave their row out; unlabelled neighbours never match.
    k : int
        Neighbours compared.
    exclude : sequence of n groups, optional
        Finer groups whose members are no neighbours of each other, e.g. the protein family under
        a superfamily label (remote homology).
    weighting : {"row", "class"}
        Mean over rows, or over classes (each class counts the same).
    class_fraction : float in (0, 1], optional
        Compare max(1, int(fraction · n_c)) neighbours for rows of a class with n_c members, in
        place of k; for unequal classes, with ``weighting="class"``.

    Returns
    -------
    OverlapEstimate
        In [0, 1]. Chance is the expected share for labels dealt at random, with the exclusions.
        ``left_out`` rows have no label, no admissible match, or fewer than k admissible
        neighbours.

    Raises
    ------
    InputError
        If labels or groups do not fit the rows, the graph lists too few neighbours, or fewer than
        k neighbours remain in a list after the exclusion although more exist.
    DegenerateError
        If no row counts.

    Warns
    -----
    GeometryWarning
        If rows are left out, among them those of a class with one member: they cannot be matched.

    Notes
    -----
    chi^{l,gt} of Valeriani et al. 2023, section 2.3. A large class raises it for nothing: compare
    with chance.
    """
    if weighting not in get_args(Weighting):
        raise InputError(f"weighting is {weighting!r}; it must be 'row' or 'class'.")
    codes = arrays.labels(labels, graph.n)
    k = arrays.count(k, "k", 1, graph.n - 1)
    groups = None if exclude is None else arrays.labels(exclude, graph.n, "exclude")
    matches, others = _possible(codes, groups)
    wanted = _neighbors_wanted(codes, k, class_fraction)
    counted = (codes >= 0) & (matches > 0) & (others >= wanted)
    if not counted.any():
        raise DegenerateError(
            f"no row has a label, a possible match and {k} admissible neighbours; check the labels "
            "and the exclusion."
        )
    _warn_left_out(int(graph.n - counted.sum()))
    lists = graph if groups is None else _outside_groups(graph, int(wanted.max()), groups)
    share = _same_label_share(lists, codes, wanted)
    weights = _row_weights(codes, counted, weighting)
    value = float(weights @ share) / float(weights @ counted.astype(np.float64))  # 1 is exact
    return OverlapEstimate(
        value,
        *_error(np.where(counted, share - value, 0.0) * weights * graph.n, graph, k),
        k,
        float(weights[counted] @ (matches[counted] / others[counted])),
        int(counted.sum()),
        int(graph.n - counted.sum()),
    )


def _warn_left_out(rows: int) -> None:
    if rows:
        warnings.warn(
            f"{rows} rows do not count in the label overlap: {LEFT_OUT}.",
            GeometryWarning,
            stacklevel=3,
        )


def _error(influence: FloatArray, graph: NeighborGraph, k: int) -> tuple[float, FloatArray]:
    return standard_error(influence, row_adjacency(graph, k)), influence


def _neighbors_wanted(codes: IntArray, k: int, class_fraction: float | None) -> IntArray:
    """Neighbours compared for each row: k, or max(1, int(fraction · class size))."""
    if class_fraction is None:
        return np.full(len(codes), k)
    if not 0 < class_fraction <= 1:
        raise InputError(f"class_fraction is {class_fraction}; it must lie in (0, 1].")
    sizes = np.bincount(codes[codes >= 0], minlength=int(codes.max()) + 1)
    return np.where(codes >= 0, np.maximum(1, (class_fraction * sizes[codes]).astype(np.int64)), 1)


def _same_label_share(graph: NeighborGraph, codes: IntArray, wanted: IntArray) -> FloatArray:
    share = np.zeros(len(codes))
    for k in np.unique(wanted[codes >= 0]).tolist():
        rows = wanted == k
        share[rows] = _same_label(graph.weights(k), codes)[rows] / k
    return share


def _outside_groups(graph: NeighborGraph, k: int, groups: IntArray) -> NeighborGraph:
    """Return lists without neighbours of the row's own group."""
    made_so = graph.distinct_indices is None
    return graph if made_so else _admissible_lists(graph, k, groups)


def _admissible_lists(graph: NeighborGraph, k: int, groups: IntArray) -> NeighborGraph:
    """Drop listed neighbours of the same group; the k first that remain are exact."""
    same = (groups[graph.indices] == groups[:, None]) & (groups[:, None] >= 0)
    order = np.argsort(same, axis=1, kind="stable")
    distances = np.take_along_axis(np.where(same, np.inf, graph.distances), order, axis=1)
    indices = np.take_along_axis(np.where(same, -1, graph.indices), order, axis=1)
    ties = {}
    for row, tied in graph.ties.items():
        others_tied = tied[(groups[tied] != groups[row]) | (groups[row] < 0)]
        free = np.flatnonzero(indices[row] < 0)[: len(others_tied)]
        indices[row, free] = others_tied[: len(free)]
        distances[row, free] = graph.distances[row, -1]
        if len(others_tied) > len(free):
            ties[row] = others_tied[len(free) :]
    kept = (indices >= 0).sum(axis=1)
    _, others = _possible(np.zeros(graph.n, dtype=np.int64), groups)
    short = np.flatnonzero(kept < np.minimum(k, others))
    if len(short):
        raise InputError(
            f"row {short[0]} lists only {kept[short[0]]} neighbours outside its own group (and "
            f"{len(short) - 1} more rows fewer than {k}); build the graph with "
            "neighbor_graph(X, k, groups=exclude)."
        )
    return NeighborGraph(distances, indices, ties, graph.point, None, None)


def _possible(codes: IntArray, groups: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """For each row: admissible rows with its label, and admissible rows."""
    n = len(codes)
    same_label = _class_sizes(codes)
    if groups is None:
        return same_label - 1.0, np.full(n, n - 1.0)
    own = np.where(groups < 0, 1.0, _class_sizes(groups))
    both = codes * (int(groups.max()) + 2) + groups
    _, inverse = np.unique(both, return_inverse=True)
    own_label = np.where(groups < 0, 1.0, _class_sizes(np.asarray(inverse).reshape(-1)))
    return same_label - own_label, n - own


def _class_sizes(codes: IntArray) -> FloatArray:
    """Size of each row's class; meaningless where the code is negative."""
    counts = np.bincount(codes[codes >= 0], minlength=int(codes.max()) + 2)
    return np.asarray(counts[codes], dtype=np.float64)


def _same_label(members: sp.csr_array, codes: IntArray) -> FloatArray:
    coo = members.tocoo()
    hit: BoolArray = (codes[coo.row] == codes[coo.col]) & (codes[coo.row] >= 0)
    return np.asarray(np.bincount(coo.row[hit], weights=coo.data[hit], minlength=len(codes)))


def _row_weights(codes: IntArray, counted: BoolArray, weighting: Weighting) -> FloatArray:
    weights = counted.astype(np.float64)
    if weighting == "class":
        weights[counted] /= np.bincount(codes[counted])[codes[counted]]
    return np.asarray(weights / weights.sum())
