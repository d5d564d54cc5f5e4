"""Dimension against sample size: TwoNN of random disjoint subsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError
from layergeom.geometry import _plain
from layergeom.geometry.dimension import (
    DimensionEstimate,
    Fit,
    check_fit,
    is_lower_bound,
    ratio_fit,
    twonn,
    warn_repeats,
)
from layergeom.geometry.groups import dealt
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph, neighbor_graph
from layergeom.geometry.uncertainty import (
    Joined,
    adjacency,
    joined_pairs,
    standard_error,
)

if TYPE_CHECKING:
    import pandas as pd

MIN_SUBSET = 50  # distinct points in a decimated subset, at the least
MIN_GROUPS = 10  # groups in a decimated subset, at the least

_Fit: TypeAlias = "tuple[Fit, float | None]"


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

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per size: dimension, error, spread."""
        import pandas as pd

        columns = {"dimension": self.values, "error": self.errors, "spread": self.spreads}
        return pd.DataFrame({"size": self.sizes} | columns).set_index("size")


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
    check_graph(graph)
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
        raise _too_few(graph, thinning)
    errors = thin.errors if thinning == 1 else thin.spreads
    return float(thin.values[0]), float(errors[0])


def _too_few(graph: NeighborGraph, factor: int) -> DegenerateError:
    return DegenerateError(
        f"{graph.n_distinct} distinct points are too few to be split into {factor} subsets."
    )


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
    parts = [_subset(cloud, graph, rows, fit) for rows in subsets]
    values = np.array([part.value for part in parts])
    errors = np.array([standard_error(part.influence, part.joined) for part in parts])
    robust = float(np.sqrt((errors**2).sum()) / factor)
    return float(values.mean()), robust, float(values.std(ddof=1) / np.sqrt(factor))


def decimated_twonn(
    X: object, graph: NeighborGraph, factor: int, seed: int = 0
) -> tuple[DimensionEstimate, Joined]:
    """Return the mean TwoNN over ``factor`` disjoint subsets as one estimate of all points.

    Returns
    -------
    DimensionEstimate
        With the influence of every row, so that layers on the same points can be compared;
        ``distance`` is the mean of (r1 + r2)/2 within the subsets, ``n_points`` the points of one.
    Joined
        Which rows share neighbours: those of one subset.

    Raises
    ------
    DegenerateError
        As :func:`decimation`, or if a subset is too small.
    """
    cloud = arrays.points(X)[graph.representatives]
    subsets = _split(graph, factor, seed)
    if not _large_enough(graph, subsets):
        raise _too_few(graph, factor)
    warn_repeats(graph)
    parts = [_subset(cloud, graph, rows, ("ml", None)) for rows in subsets]
    influence, first = np.zeros(graph.n), graph.representatives
    ends: list[IntArray] = []
    for rows, part in zip(subsets, parts, strict=True):
        influence[first[rows]] = part.influence * (graph.n / (factor * len(rows)))
        ends.append(first[rows][np.stack(part.joined.pairs.nonzero())])
    here, there = np.concatenate(ends, axis=1)
    joined = Joined(joined_pairs(here, there, graph.n), graph.units)
    value = float(np.mean([part.value for part in parts]))
    size = graph.n_distinct // factor
    estimate = DimensionEstimate(
        value=value,
        error=standard_error(influence, joined),
        influence=influence,
        method="ml",
        ranks=(1, 2),
        distance=float(np.mean([part.distance for part in parts])),
        n_points=size,
        lower_bound=is_lower_bound(value, size),
    )
    return estimate, joined


@dataclass(frozen=True, eq=False)
class _Subset:
    """TwoNN of a subset: influence and joined pairs over its own rows."""

    value: float
    influence: FloatArray
    joined: Joined
    distance: float


def _subset(cloud: arrays.Points, graph: NeighborGraph, rows: IntArray, fit: _Fit) -> _Subset:
    """Measure a subset of the distinct points, from the graph of all of them where it suffices."""
    if graph.units is not None:
        groups = graph.units[graph.representatives][rows]
        part = neighbor_graph(cloud[rows], min(graph.k, len(rows) - 1), groups=groups)
        found = twonn(part, *fit)
        return _Subset(found.value, found.influence, adjacency(part, 2), found.distance)
    distances, indices = subset_lists(graph, rows)
    short = np.flatnonzero(~np.isfinite(distances[:, 1]))
    if len(short):
        near = _plain.search(cloud[rows], 2, None, queries=short)
        distances[short], indices[short] = near.distances[short], near.indices[short]
    value, influence = ratio_fit(np.log(distances[:, 1] / distances[:, 0]), *fit)
    each = np.repeat(np.arange(len(rows)), 2)
    joined = Joined(joined_pairs(each, indices.reshape(-1), len(rows)))
    return _Subset(value, influence, joined, float(distances.mean()))


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
