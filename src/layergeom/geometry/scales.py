"""Dimension against distance, its plateau by a stated rule, and dimension against sample size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import _plain
from layergeom.geometry.dimension import Fit, check_fit, gride, ratio_fit, ratio_likelihood, twonn
from layergeom.geometry.group_ratios import reach
from layergeom.geometry.group_scales import queried_group_scales
from layergeom.geometry.groups import dealt
from layergeom.geometry.neighbors import NeighborGraph, neighbor_graph
from layergeom.geometry.uncertainty import joined_pairs, standard_error

QUERIES = 512  # rows from which large ranks are measured
LARGEST_SHARE = 4  # n2 <= N / 4
PLATEAU_SPREAD = 0.15  # largest relative difference of the dimensions on a plateau
PLATEAU_SCALES = 3  # consecutive doublings of rank, at the least
MIN_SUBSET = 50  # distinct points in a decimated subset, at the least
MIN_GROUPS = 10  # groups in a decimated subset, at the least

_Fit: TypeAlias = "tuple[Fit, float | None]"


@dataclass(frozen=True, eq=False)
class ScaleAnalysis:
    """Dimension against distance for one set of points.

    Attributes
    ----------
    ranks : ndarray, shape (s,)
        n1 of each scale (n2 = 2 n1), doubling, up to n2 <= N/4.
    distances : ndarray, shape (s,)
        Mean of (r_n1 + r_n2)/2.
    values, errors : ndarray, shape (s,)
        Gride dimension and its standard error (nan where it is not known).
    plateau : (int, int) or None
        First and last scale of the plateau, inclusive; None if there is none.
    """

    ranks: IntArray
    distances: FloatArray
    values: FloatArray
    errors: FloatArray
    plateau: tuple[int, int] | None

    @property
    def plateau_dimension(self) -> float:
        """Dimension at the middle of the plateau, nan without one."""
        return float(self.values[self._middle]) if self.plateau else float("nan")

    @property
    def plateau_error(self) -> float:
        """Standard error at the middle of the plateau, nan without one."""
        return float(self.errors[self._middle]) if self.plateau else float("nan")

    @property
    def _middle(self) -> int:
        first, last = self.plateau or (0, 0)
        return (first + last) // 2


def scale_analysis(X: object, graph: NeighborGraph, seed: int = 0) -> ScaleAnalysis:
    """Return the Gride dimension at doubling ranks, from single neighbours to a quarter of all.

    Parameters
    ----------
    X : array_like, shape (n, D)
        The points of ``graph``.
    graph : NeighborGraph
        Gives the ranks that it lists, from all points.
    seed : int
        Chooses the (at most 512) points from which larger ranks are measured.

    Returns
    -------
    ScaleAnalysis
        Ranks grow with N, so that the largest distance does not shrink as points are added.

    Raises
    ------
    DegenerateError
        If the points are too few or discrete (see :func:`layergeom.geometry.twonn`).

    Notes
    -----
    The plateau is the longest run of at least 3 doublings on which all dimensions agree within
    15 %; of equally long runs, the one at the smallest distance. "None" is an answer: at no
    distance does the data look like one dimension. Costs one q × N × D product in float64.

    With groups, ranks count other groups and go up to a quarter of them.
    """
    cloud = arrays.points(X)
    if len(cloud) != graph.n:
        raise InputError(f"X has {len(cloud)} rows but the graph has {graph.n}.")
    first, units = graph.representatives, graph.units
    size = graph.n_distinct if units is None else len(np.unique(units[first]))
    top = size // LARGEST_SHARE
    ranks = 2 ** np.arange(max(1, int(np.log2(max(top, 2)))))
    listed = ranks[2 * ranks <= reach(graph)]
    rows = [_listed_scale(graph, int(n1)) for n1 in listed]
    larger = ranks[len(listed) :]
    if len(larger) and units is not None:
        rows += queried_group_scales(cloud[first], units[first], larger, QUERIES, seed)
    elif len(larger):
        rows += _queried_scales(cloud[first], larger, seed)
    table = np.array(rows)
    return ScaleAnalysis(ranks, table[:, 0], table[:, 1], table[:, 2], plateau(table[:, 1]))


def _listed_scale(graph: NeighborGraph, n1: int) -> tuple[float, float, float]:
    estimate = gride(graph, n1)
    return estimate.distance, estimate.value, estimate.error


def _queried_scales(
    X: arrays.Points, ranks: IntArray, seed: int
) -> list[tuple[float, float, float]]:
    """Scales at large ranks, measured from a sample of the points."""
    rng = np.random.default_rng(seed)
    queries = np.sort(rng.choice(len(X), min(QUERIES, len(X)), replace=False))
    at, fellows = _plain.distances_at_ranks(X, queries, np.append(ranks, 2 * ranks[-1]))
    rows = []
    for s, n1 in enumerate(ranks.tolist()):
        try:
            value, influence = ratio_likelihood(np.log(at[:, s + 1] / at[:, s]), n1, 2 * n1)
            error = standard_error(influence, _either(fellows[s + 1]))
        except DegenerateError:
            value = error = float("nan")
        rows.append((float(at[:, s : s + 2].mean()), value, error))
    return rows


def _either(fellows: BoolArray) -> FloatArray:
    """Return 1 where one of two queries is among the other's nearest, and on the diagonal."""
    joined = (fellows | fellows.T).astype(np.float64)
    np.fill_diagonal(joined, 1)
    return joined


def plateau(values: FloatArray) -> tuple[int, int] | None:
    """Return the longest run of scales whose dimensions agree within 15 %, or None.

    Examples
    --------
    >>> import numpy as np
    >>> plateau(np.array([12.0, 8.0, 5.0, 2.5, 2.3, 2.2, 2.2]))
    (3, 6)
    >>> plateau(np.array([12.0, 8.0, 5.0, 3.0])) is None
    True
    """
    best: tuple[int, int] | None = None
    for first in range(len(values)):
        last = _last_agreeing(values, first)
        length = last - first + 1
        if length >= PLATEAU_SCALES and (best is None or length > best[1] - best[0] + 1):
            best = (first, last)
    return best


def _last_agreeing(values: FloatArray, first: int) -> int:
    low = high = values[first]
    last = first - 1
    for at in range(first, len(values)):
        low, high = np.minimum(low, values[at]), np.maximum(high, values[at])  # nan stays nan
        if not (high - low) <= PLATEAU_SPREAD * (high + low) / 2:
            break
        last = at
    return last


@dataclass(frozen=True, eq=False)
class Decimation:
    """Dimension against the number of points.

    Attributes
    ----------
    sizes : ndarray, shape (s,)
        Points per subset: N, N/2, N/4, …
    values, errors : ndarray, shape (s,)
        Mean TwoNN over the disjoint subsets, and its standard error.
    spreads : ndarray, shape (s,)
        The standard error read off the subsets alone, as paper A does: standard deviation over
        the f subsets / sqrt(f); itself uncertain by 1/sqrt(2(f - 1)), nan for f = 1.
    """

    sizes: IntArray
    values: FloatArray
    errors: FloatArray
    spreads: FloatArray


def decimation(
    X: object,
    graph: NeighborGraph,
    factors: tuple[int, ...] = (1, 2, 4, 8, 16),
    seed: int = 0,
    method: Fit = "ml",
    fraction: float | None = None,
) -> Decimation:
    """Return the mean TwoNN of random disjoint subsets of N/f points, for each factor f.

    Parameters
    ----------
    X : array_like, shape (n, D)
        The points of ``graph``.
    graph : NeighborGraph
        Used for f = 1.
    factors : tuple of int
        Paper A decimates by 4; its iGPT arrays by 32. Factors that leave fewer than 50 points per
        subset are left out.
    seed : int
        Splits the points.
    method, fraction
        The fit, as of :func:`layergeom.geometry.twonn`.

    Returns
    -------
    Decimation
        Disjoint subsets of independent points are independent, so the error of the mean is
        sqrt(Σ SE²)/f with the neighbour-graph-robust error of each subset.

    Raises
    ------
    DegenerateError
        If all ratios that a fit uses are 1.
    InputError
        For an unknown method or a fraction outside (0, 1].

    Notes
    -----
    A rise with N shows the finite-sample bias at work; a value that still moves is "at least".
    Read from the lists of ``graph``; only points with fewer than two listed neighbours in their
    subset are searched again.

    With groups, each goes to one subset as a whole, factors that leave fewer than 10 groups in a
    subset are left out too, and every subset is searched anew.
    """
    check_fit(method, fraction)
    cloud = arrays.points(X)[graph.representatives]
    splits = {f: _split(graph, f, seed) for f in factors}
    usable = [f for f in factors if f == 1 or _large_enough(graph, splits[f])]
    rows = [_decimated(cloud, graph, splits[f], (method, fraction)) for f in usable]
    values, errors, spreads = np.array(rows).reshape(-1, 3).T  # of no rows too
    return Decimation(np.array([len(cloud) // f for f in usable]), values, errors, spreads)


def thinned_twonn(
    X: object,
    graph: NeighborGraph,
    thinning: int,
    seed: int = 0,
    method: Fit = "ml",
    fraction: float | None = None,
) -> tuple[float, float]:
    """Return TwoNN as the mean over ``thinning`` disjoint subsets, and its error.

    That is read off the subsets (see :class:`Decimation`), as the papers do; of all points
    (``thinning`` 1) it is the neighbour-graph-robust error. Parameters are those of
    :func:`decimation`.

    Raises
    ------
    DegenerateError
        As :func:`decimation`, or if a subset is too small.
    """
    thin = decimation(X, graph, (thinning,), seed, method, fraction)
    if not len(thin.sizes):
        raise DegenerateError(
            f"{graph.n_distinct} distinct points are too few to be split into {thinning} subsets."
        )
    errors = thin.errors if thinning == 1 else thin.spreads
    return float(thin.values[0]), float(errors[0])


def _split(graph: NeighborGraph, factor: int, seed: int) -> list[IntArray]:
    """Split the distinct points at random into ``factor`` disjoint subsets, and no group."""
    rng = np.random.default_rng(seed)
    if graph.units is not None:
        return dealt(graph.units[graph.representatives], factor, rng)
    order = rng.permutation(graph.n_distinct)
    return [np.sort(order[i::factor]) for i in range(factor)]


def _large_enough(graph: NeighborGraph, subsets: list[IntArray]) -> bool:
    if min(map(len, subsets)) < MIN_SUBSET:
        return False
    if graph.units is None:
        return True
    units = graph.units[graph.representatives]
    return min(len(np.unique(units[rows])) for rows in subsets) >= MIN_GROUPS


def _decimated(
    cloud: arrays.Points, graph: NeighborGraph, subsets: list[IntArray], fit: _Fit
) -> tuple[float, float, float]:
    if len(subsets) == 1:
        whole = twonn(graph, *fit)
        return whole.value, whole.error, np.nan
    factor = len(subsets)
    values, errors = np.array([_subset_estimate(cloud, graph, rows, fit) for rows in subsets]).T
    robust = float(np.sqrt((errors**2).sum()) / factor)
    return float(values.mean()), robust, float(values.std(ddof=1) / np.sqrt(factor))


def _subset_estimate(
    cloud: arrays.Points, graph: NeighborGraph, rows: IntArray, fit: _Fit
) -> tuple[float, float]:
    """TwoNN of a subset of the distinct points, from the graph of all of them where it suffices."""
    if graph.units is not None:
        groups = graph.units[graph.representatives][rows]
        part = neighbor_graph(cloud[rows], min(graph.k, len(rows) - 1), groups=groups)
        found = twonn(part, *fit)
        return found.value, found.error
    distances, indices = subset_lists(graph, rows)
    short = np.flatnonzero(~np.isfinite(distances[:, 1]))
    if len(short):
        near = _plain.search(cloud[rows], 2, None, queries=short)
        distances[short], indices[short] = near.distances[short], near.indices[short]
    value, influence = ratio_fit(np.log(distances[:, 1] / distances[:, 0]), *fit)
    each = np.repeat(np.arange(len(rows)), 2)
    return value, standard_error(influence, joined_pairs(each, indices.reshape(-1), len(rows)))


def subset_lists(graph: NeighborGraph, rows: IntArray) -> tuple[FloatArray, IntArray]:
    """First two listed neighbours inside the subset; inf where the list holds fewer."""
    distances, indices = graph.points
    position = np.full(graph.n_distinct, -1)
    position[rows] = np.arange(len(rows))
    inside = position[indices[rows]]
    order = np.argsort(inside < 0, axis=1, kind="stable")[:, :2]
    members = np.take_along_axis(inside, order, axis=1)
    at = np.take_along_axis(distances[rows], order, axis=1)
    return np.where(members >= 0, at, np.inf), members
