"""Neighbour agreement: how much nearer in rank the numbers of neighbours are than those of any."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError, InputTypeError
from layergeom.geometry.groups import class_sizes, crossed, own_where_missing
from layergeom.geometry.label_pairs import LabelledPairs, labelled_pairs
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.overlap import OverlapEstimate


def label_agreement(
    graph: NeighborGraph, values: object, k: int = 30, *, exclude: object = None
) -> OverlapEstimate:
    """Return by how much neighbours are nearer in rank than any two rows: 1 − M/E.

    M is the mean difference of the ranks of a row and its k nearest, E that of a row and any row
    that might be its neighbour.

    Parameters
    ----------
    graph : NeighborGraph
        Lists at least k neighbours; with ``exclude``, build it with ``exclude=exclude``. Rows of
        one of its groups are no neighbours either, and errors add up the groups.
    values : sequence of n numbers
        None or NaN leaves a row out, and it is passed over as a neighbour. Only their order counts.
    k : int
        Neighbours compared.
    exclude : sequence of n groups, optional
        Finer groups whose members are no neighbours of each other.

    Returns
    -------
    OverlapEstimate
        At most 1, where all neighbours have equal values (of distinct values about 1 − 3k/(4N));
        0 in expectation where numbers are dealt at random, which is ``chance``; negative where
        neighbours differ more than any two rows. ``left_out`` rows have no number, no neighbour
        with one, or fewer than k admissible neighbours.

    Raises
    ------
    InputError
        If there are not n values, some are infinite, or the graph lists too few neighbours.
    DegenerateError
        If no row counts, or all values are equal.

    Warns
    -----
    GeometryWarning
        If rows are left out.

    Notes
    -----
    Geary's ratio (1954) with absolute differences of mid-ranks, that is Gini's mean difference, in
    place of squares: no outlier and no monotone transformation of the values moves it. Errors: see
    :meth:`layergeom.geometry.label_pairs.LabelledPairs.standard_error`; the influence of a row
    includes its effect on the ranks of the others.

    When it misleads: a number that follows the length of the input agrees among neighbours that
    have nothing but their length in common; numbers that are missing for a reason (no stable
    protein, no measurement) speak for the rows that have one only.

    Cost: O(n k) and sorts of the n k pairs.

    Examples
    --------
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).random((400, 1))
    >>> graph = neighbor_graph(X, k=4)
    >>> round(label_agreement(graph, np.exp(9 * X[:, 0]), k=4).value, 2)
    0.99
    """
    ranks, labelled = _ranks(values, graph.n)
    pairs = labelled_pairs(graph, labelled, k, exclude, "the neighbour agreement")
    apart = np.abs(ranks[pairs.rows] - ranks[pairs.neighbors])
    near = pairs.mean_of(pairs.row_means(apart))
    far = pairs.mean_of(_mean_differences(ranks, pairs))
    if not far > 0:
        raise DegenerateError("all numbers that might be compared are equal; there is no order.")
    influence = _influence(pairs, ranks, apart, near / far) / -far
    error = pairs.standard_error(influence, apart, 1 / far)
    return OverlapEstimate(1 - near / far, error, influence, k, 0.0, pairs.number, pairs.left_out)


def _ranks(values: object, n: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return mid-ranks over the number of values, in (0, 1) and 0 without one; who has one."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputTypeError("label agreement needs one number per row, None or NaN.") from None
    if numbers.shape != (n,):
        raise InputError(f"labels have shape {numbers.shape} but there are {n} rows.")
    if np.isinf(numbers).any():
        raise InputError("labels hold an infinite number; leave such a row out (NaN).")
    from scipy.stats import rankdata

    labelled = ~np.isnan(numbers)
    ranks = np.zeros(n)
    ranks[labelled] = (rankdata(numbers[labelled]) - 0.5) / max(int(labelled.sum()), 1)
    return ranks, labelled


def _mean_differences(ranks: FloatArray, pairs: LabelledPairs) -> FloatArray:
    """For each row, the mean difference of its rank and that of any admissible row with one: (n,).

    Rows of a class of ``pairs.own`` are not admissible; at least the row itself is not.
    """
    everyone = np.zeros(len(ranks), dtype=np.int64)
    own = [_labelled_classes(codes, pairs) for codes in pairs.own] or [np.arange(len(ranks))]
    sums = _differences(ranks, _labelled_classes(everyone, pairs))
    sizes = np.full(len(ranks), float(pairs.labelled.sum()))
    taken = [(1, codes) for codes in own]
    if len(own) == 2:
        taken.append((-1, crossed(*own)))
    for sign, codes in taken:
        sums = sums - sign * _differences(ranks, codes)
        sizes = sizes - sign * class_sizes(codes)
    return np.asarray(sums / np.maximum(sizes, 1))


def _labelled_classes(codes: IntArray, pairs: LabelledPairs) -> IntArray:
    """Return the classes, rows without a label being classes of their own."""
    return own_where_missing(np.where(pairs.labelled, codes, -1))


def _differences(ranks: FloatArray, codes: IntArray) -> FloatArray:
    """For each row, Σ_j |r_i − r_j| over the rows of its class, by one sort: (n,)."""
    order = np.lexsort((ranks, codes))
    r, c = ranks[order], codes[order]
    sizes = np.bincount(codes)
    first = (np.cumsum(sizes) - sizes)[c]
    place = np.arange(len(r)) - first  # rows of the class before this one
    total = np.concatenate([[0.0], np.cumsum(r)])
    before = total[:-1] - total[first]
    after = total[first + sizes[c]] - total[1:]
    sums = np.empty(len(r))
    sums[order] = r * place - before + after - r * (sizes[c] - place - 1)
    return sums


def _influence(
    pairs: LabelledPairs, ranks: FloatArray, apart: FloatArray, ratio: float
) -> FloatArray:
    """Return the effect of each row on M − ratio · E, times n: (n,).

    Beside what a row says of itself and of its neighbours, it moves the ranks: it lengthens every
    difference that it lies between.
    """
    levels, place = np.unique(ranks[pairs.labelled], return_inverse=True)
    share = np.bincount(place) / len(place)
    near = _spanned(pairs, ranks, levels) - pairs.mean_of(pairs.row_means(apart))
    of_ranks = np.zeros(pairs.graph.n)
    scale = pairs.graph.n / len(place)
    of_ranks[pairs.labelled] = scale * (near - ratio * _of_any_two(levels, share))[place]
    return np.asarray(pairs.influence(apart) + of_ranks)


def _spanned(pairs: LabelledPairs, ranks: FloatArray, levels: FloatArray) -> FloatArray:
    """For each level, the share of the pairs that it lies between, half where it ends one: (v,)."""
    i, j = (np.searchsorted(levels, ranks[end]) for end in (pairs.rows, pairs.neighbors))
    low, high = np.minimum(i, j), np.maximum(i, j)
    weights = pairs.weights / pairs.number
    size = len(levels) + 1
    steps = np.bincount(low, weights, size) - np.bincount(high, weights, size)
    inside = np.cumsum(steps)[:-1]  # from the lower end on, up to before the upper one
    return np.asarray((inside + np.append(0.0, inside[:-1])) / 2)


def _of_any_two(levels: FloatArray, share: FloatArray) -> FloatArray:
    """Return the effect of a row of each level on the mean difference of any two rows: (v,)."""
    below, sums = np.cumsum(share) - share, np.cumsum(share * levels)
    before, after = sums - share * levels, sums[-1] - sums
    above = 1 - below - share
    differences = levels * (below - above) - before + after
    mean = float(share @ differences)
    between = 2 * below * above + share * (1 - share)
    return np.asarray(2 * (differences - mean) + between - mean)
