"""Neighbour Jaccard: how much of their labels rows with several share with their neighbours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError, InputTypeError
from layergeom.geometry.groups import own_where_missing
from layergeom.geometry.label_pairs import LabelledPairs, labelled_pairs
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.overlap import OverlapEstimate

PAIRS = 1_000_000  # looked at for the level of chance; all there are, where they are fewer
BLOCK = 1 << 18  # pairs compared at a time
SEED = 0  # of the pairs that are drawn


def neighbor_jaccard(
    graph: NeighborGraph, sets: Sequence[object], k: int = 30, *, exclude: object = None
) -> OverlapEstimate:
    """Return the mean Jaccard index of the labels of a row and of its k nearest rows.

    Parameters
    ----------
    graph : NeighborGraph
        Lists at least k neighbours; with ``exclude``, build it with ``exclude=exclude``. Rows of
        one of its groups are no neighbours either, and errors add up the groups.
    sets : sequence of n collections of labels
        None or an empty one leaves a row out, and it is passed over as a neighbour.
    k : int
        Neighbours compared.
    exclude : sequence of n groups, optional
        Finer groups whose members are no neighbours of each other.

    Returns
    -------
    OverlapEstimate
        In [0, 1]: 1 where all neighbours have the row's own labels. Chance is the same mean over
        all admissible rows in place of neighbours; beyond a million pairs it is taken over so many
        random ones, which leaves it an error below 0.0005. With one label per row both
        are those of the label overlap, but that unlabelled neighbours are passed over.

    Raises
    ------
    InputError, InputTypeError
        If there are not n collections, or the graph lists too few neighbours.
    DegenerateError
        If no row counts.

    Warns
    -----
    GeometryWarning
        If rows are left out.

    Notes
    -----
    Jaccard 1901: |A ∩ B| / |A ∪ B|. Errors: see
    :meth:`layergeom.geometry.label_pairs.LabelledPairs.standard_error`.

    When it misleads: terms of a hierarchy (GO) carry their ancestors, so that any two rows share
    the roots; compare with chance, or leave the upper terms out.

    Cost: O((n k + 10^6) s) for s labels per row.

    Examples
    --------
    >>> from layergeom.geometry import neighbor_graph
    >>> graph = neighbor_graph(np.arange(4.0)[:, None], k=1)
    >>> neighbor_jaccard(graph, [{"a"}, {"a", "b"}, {"c"}, {"c"}], k=1).value
    0.5625
    """
    table, _ = label_table(sets, graph.n)
    labelled = np.diff(table.indptr) > 0
    pairs = labelled_pairs(graph, labelled, k, exclude, "the neighbour Jaccard")
    shared = jaccards(table, pairs.rows, pairs.neighbors)
    influence = pairs.influence(shared)
    return OverlapEstimate(
        pairs.mean_of(pairs.row_means(shared)),
        pairs.standard_error(influence, shared),
        influence,
        k,
        _chance(table, pairs),
        pairs.number,
        pairs.left_out,
    )


def label_table(sets: Iterable[object], n: int) -> tuple[sp.csr_array, tuple[str, ...]]:
    """Return which row has which label as a sparse 0/1 matrix (n, m), and the m labels, sorted.

    Raises
    ------
    InputError, InputTypeError
        If there are not n rows, or one is neither None nor a collection of labels.
    """
    rows = [_names(names) for names in sets]
    if len(rows) != n:
        raise InputError(f"labels have length {len(rows)} but there are {n} rows.")
    names = tuple(sorted({name for row in rows for name in row}))
    place = {name: at for at, name in enumerate(names)}
    columns = [sorted(place[name] for name in row) for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in columns])])
    flat = np.array([at for row in columns for at in row], dtype=np.int64)
    return sp.csr_array((np.ones(len(flat)), flat, starts), shape=(n, len(names))), names


def _names(names: object) -> set[str]:
    if names is None:
        return set()
    if isinstance(names, str) or not isinstance(names, Collection):
        raise InputTypeError(f"several labels per row are a list or a set, not {names!r:.60}.")
    return {str(name) for name in names}


def jaccards(table: sp.csr_array, rows: IntArray, columns: IntArray) -> FloatArray:
    """Return the Jaccard index of the labels of pairs of rows that have some: (p,).

    Examples
    --------
    >>> table, _ = label_table([{"a", "b"}, {"b", "c"}], 2)
    >>> jaccards(table, np.array([0]), np.array([1])).round(3).tolist()
    [0.333]
    """
    sizes = np.diff(table.indptr)
    shared = np.empty(len(rows))
    for low in range(0, len(rows), BLOCK):
        block = slice(low, low + BLOCK)
        both = table[rows[block]].multiply(table[columns[block]])
        shared[block] = np.asarray(both.sum(axis=1)).reshape(-1)
    return np.asarray(shared / np.maximum(sizes[rows] + sizes[columns] - shared, 1))


def _chance(table: sp.csr_array, pairs: LabelledPairs) -> float:
    """Return the mean over the rows that count of that over admissible rows with labels."""
    i, j = any_two(np.flatnonzero(pairs.counted), np.flatnonzero(pairs.labelled))
    apart = i != j
    for codes in map(own_where_missing, pairs.own):
        apart &= codes[i] != codes[j]
    i, j = i[apart], j[apart]
    if not len(i):
        return float("nan")
    times = np.bincount(i, minlength=pairs.graph.n)
    sums = np.bincount(i, jaccards(table, i, j), pairs.graph.n)
    return float((sums[times > 0] / times[times > 0]).mean())


def any_two(these: IntArray, those: IntArray) -> tuple[IntArray, IntArray]:
    """Return all pairs of one of these and one of those, or a million random ones: two arrays."""
    if len(these) * len(those) <= PAIRS:
        return np.repeat(these, len(those)), np.tile(those, len(these))
    rng = np.random.default_rng(SEED)
    each = -(-PAIRS // len(these))
    return np.repeat(these, each), rng.choice(those, each * len(these))
