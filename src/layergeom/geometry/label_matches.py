"""Label overlap: how many of a row's neighbours have its label."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp

from layergeom import arrays
from layergeom.arrays import BoolArray, Float32Array, FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.overlap import OverlapEstimate
from layergeom.geometry.uncertainty import row_adjacency, standard_error

Weighting: TypeAlias = Literal["row", "class"]

LEFT_OUT = "no label, no other row with their label, or too few admissible neighbours"


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
    return _label_overlaps(
        graph, _Labels.checked(graph, labels, exclude, weighting), [k], class_fraction
    )[0]


def label_overlaps(
    graph: NeighborGraph,
    labels: object,
    ks: Sequence[int],
    *,
    exclude: object = None,
    weighting: Weighting = "row",
) -> list[OverlapEstimate]:
    """Return the label overlap for several k in one pass: one estimate per k.

    The estimates are those of :func:`label_overlap`, with its parameters, errors and warnings. The
    lists are compared with the labels once; the standard errors take one sparse product per k.
    """
    return _label_overlaps(graph, _Labels.checked(graph, labels, exclude, weighting), ks, None)


@dataclass(frozen=True, eq=False)
class _Labels:
    """Labels, groups whose members are not neighbours, and what a row of them could meet."""

    codes: IntArray
    groups: IntArray | None
    weighting: Weighting
    matches: FloatArray  # admissible rows with the row's label
    others: FloatArray  # admissible rows

    @classmethod
    def checked(
        cls, graph: NeighborGraph, labels: object, exclude: object, weighting: Weighting
    ) -> _Labels:
        if weighting not in get_args(Weighting):
            raise InputError(f"weighting is {weighting!r}; it must be 'row' or 'class'.")
        codes = arrays.labels(labels, graph.n)
        groups = None if exclude is None else arrays.labels(exclude, graph.n, "exclude")
        return cls(codes, groups, weighting, *_possible(codes, groups))

    def counted(self, wanted: IntArray, k: int) -> BoolArray:
        """Rows that count when each row looks at so many neighbours."""
        counted = (self.codes >= 0) & (self.matches > 0) & (self.others >= wanted)
        if not counted.any():
            raise DegenerateError(
                f"no row has a label, a possible match and {k} admissible neighbours; check the "
                "labels and the exclusion."
            )
        return np.asarray(counted)


def _label_overlaps(
    graph: NeighborGraph, given: _Labels, ks: Sequence[int], class_fraction: float | None
) -> list[OverlapEstimate]:
    ks = [arrays.count(k, "k", 1, graph.n - 1) for k in ks]
    wanted = [_neighbors_wanted(given.codes, k, class_fraction) for k in ks]
    counted = [given.counted(w, k) for w, k in zip(wanted, ks, strict=True)]
    _warn_left_out({int(graph.n - c.sum()) for c in counted})
    longest = max((int(w.max()) for w in wanted), default=1)
    lists = graph if given.groups is None else _outside_groups(graph, longest, given.groups)
    shares = _same_label_shares(lists, given.codes, wanted)
    return [_label_estimate(graph, given, *each) for each in zip(shares, counted, ks, strict=True)]


def _label_estimate(
    graph: NeighborGraph, given: _Labels, share: FloatArray, counted: BoolArray, k: int
) -> OverlapEstimate:
    weights = _row_weights(given.codes, counted, given.weighting)
    value = float(weights @ share) / float(weights @ counted.astype(np.float64))  # 1 is exact
    influence = np.where(counted, share - value, 0.0) * weights * graph.n
    return OverlapEstimate(
        value,
        standard_error(influence, row_adjacency(graph, k)),
        influence,
        k,
        float(weights[counted] @ (given.matches[counted] / given.others[counted])),
        int(counted.sum()),
        int(graph.n - counted.sum()),
    )


def _warn_left_out(numbers: set[int]) -> None:
    for rows in sorted(numbers - {0}):
        warnings.warn(
            f"{rows} rows do not count in the label overlap: {LEFT_OUT}.",
            GeometryWarning,
            stacklevel=4,
        )


def _neighbors_wanted(codes: IntArray, k: int, class_fraction: float | None) -> IntArray:
    """Neighbours compared for each row: k, or max(1, int(fraction · class size))."""
    if class_fraction is None:
        return np.full(len(codes), k)
    if not 0 < class_fraction <= 1:
        raise InputError(f"class_fraction is {class_fraction}; it must lie in (0, 1].")
    sizes = np.bincount(codes[codes >= 0], minlength=int(codes.max()) + 1)
    return np.where(codes >= 0, np.maximum(1, (class_fraction * sizes[codes]).astype(np.int64)), 1)


def _same_label_shares(
    graph: NeighborGraph, codes: IntArray, wanted: Sequence[IntArray]
) -> list[FloatArray]:
    """For each choice of the neighbours wanted: the share of them with the row's label."""
    steps = np.unique(np.concatenate([np.zeros(0, np.int64), *(w[codes >= 0] for w in wanted)]))
    shares = [np.zeros(len(codes)) for _ in wanted]
    longest = graph.checked_k(int(steps[-1])) if len(steps) else 0
    same = _matches(codes, graph.indices[:, :longest])
    hits, done = np.zeros(len(codes)), 0
    for k in steps.tolist():
        hits = hits + np.einsum("ij->i", same[:, done:k])
        done = k
        shared = _with_ties(graph, codes, hits, k) / k
        for share, w in zip(shares, wanted, strict=True):
            np.copyto(share, shared, where=w == k)
    return shares


def _matches(codes: IntArray, listed: IntArray) -> Float32Array:
    """1 for each listed row with the label of the row, else 0: (n, k); rows without one aside."""
    label = np.append(codes, -1).astype(np.int32)  # where a list has -1: nobody's label
    return np.asarray(label[listed] == label[:-1, None], dtype=np.float32)


def _with_ties(graph: NeighborGraph, codes: IntArray, hits: FloatArray, k: int) -> FloatArray:
    """Replace the hits of the rows whose tie at the k-th distance shares its places."""
    tied = graph.tied_rows(k)
    if not len(tied):
        return hits
    hits = hits.copy()
    hits[tied] = _same_label(graph.weights(k)[tied], codes, tied)
    return hits


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


def _same_label(members: sp.csr_array, codes: IntArray, rows: IntArray) -> FloatArray:
    coo = members.tocoo()
    own = codes[rows[coo.row]]
    hit: BoolArray = (own == codes[coo.col]) & (own >= 0)
    return np.asarray(np.bincount(coo.row[hit], weights=coo.data[hit], minlength=len(rows)))


def _row_weights(codes: IntArray, counted: BoolArray, weighting: Weighting) -> FloatArray:
    weights = counted.astype(np.float64)
    if weighting == "class":
        weights[counted] /= np.bincount(codes[counted])[codes[counted]]
    return np.asarray(weights / weights.sum())
