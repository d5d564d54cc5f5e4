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
from layergeom.geometry._found import Found
from layergeom.geometry.groups import class_sizes, crossed, own_where_missing, rows_of_own
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.overlap import OverlapEstimate
from layergeom.geometry.point_search import without
from layergeom.geometry.uncertainty import row_adjacency, standard_error
from layergeom.written import counted

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
        Lists at least k neighbours; with ``exclude``, build it with ``exclude=exclude``. Rows of
        one of its groups are no neighbours either, and errors add up the groups.
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
        In [0, 1]. Chance is the expected share for labels dealt at random, with the exclusions
        and without the row's own group.
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
    """Labels, classes whose members are not neighbours, and what a row of them could meet."""

    codes: IntArray
    excluded: IntArray | None
    weighting: Weighting
    matches: FloatArray  # admissible rows with the row's label
    others: FloatArray  # admissible rows

    @classmethod
    def checked(
        cls, graph: NeighborGraph, labels: object, exclude: object, weighting: Weighting
    ) -> _Labels:
        if weighting not in get_args(Weighting):
            raise InputError(f"weighting is {weighting!r}; it must be 'row' or 'class'.")
        check_graph(graph)
        codes = arrays.labels(labels, graph.n)
        excluded = None
        if exclude is not None:
            excluded = own_where_missing(arrays.labels(exclude, graph.n, "exclude"))
        own = [partition for partition in (graph.groups, excluded) if partition is not None]
        return cls(codes, excluded, weighting, *_possible(codes, own))

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
    lists = admissible_lists(graph, longest, given.excluded, given.others)
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
            f"{counted(rows, 'row does', 'rows do')} not count in the label overlap: {LEFT_OUT}.",
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


def admissible_lists(
    graph: NeighborGraph, k: int, excluded: IntArray | None, others: FloatArray
) -> NeighborGraph:
    """Return lists without neighbours of the row's excluded class; the k first of them are exact.

    ``others`` are the admissible rows of each row.

    Raises
    ------
    InputError
        If fewer than k remain in a list although more exist.
    """
    if excluded is None:
        return graph
    of_listed = np.append(excluded, -1)[graph.indices]
    if not (of_listed == excluded[:, None]).any():
        return graph  # made so
    found = without(Found(graph.distances, graph.indices, graph.ties), excluded)
    kept = (found.indices >= 0).sum(axis=1)
    short = np.flatnonzero(kept < np.minimum(k, others))
    if len(short):
        raise InputError(
            f"row {short[0]} lists only {kept[short[0]]} neighbours outside its own group (and "
            f"{counted(len(short) - 1, 'more row', 'more rows')} fewer than {k}); build the graph "
            "with neighbor_graph(X, k, exclude=exclude)."
        )
    return NeighborGraph(
        found.distances, found.indices, found.ties, graph.point, None, None, graph.groups
    )


def _possible(codes: IntArray, own: Sequence[IntArray]) -> tuple[FloatArray, FloatArray]:
    """For each row: admissible rows with its label, and admissible rows.

    ``own`` are the classes whose members are not neighbours; at least the row itself is not.
    """
    n = len(codes)
    labelled = codes + 1  # rows without a label are one class here, and do not count anywhere
    alike = [crossed(labelled, partition) for partition in own]
    return class_sizes(labelled) - rows_of_own(n, alike), n - rows_of_own(n, own)


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
