"""What approximate neighbour lists miss, and what that does to dimensions, measured on a sample."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.errors import DegenerateError
from layergeom.geometry import _search
from layergeom.geometry.audit import drawn
from layergeom.geometry.dimension import ratio_likelihood
from layergeom.geometry.neighbors import NeighborGraph

ROWS = 1000  # searched exactly
NORMAL = 1.959964  # quantile of 97.5 %
ROUNDING = 1e-12  # relative: two ways of the search may add squares in another order


@dataclass(frozen=True)
class Recall:
    """How many of the true neighbours are listed, and what dimensions are made of the others.

    Attributes
    ----------
    rows : int
        Distinct points that were searched exactly, drawn at random.
    k : int
        Neighbours per row.
    value, low, high : float
        Mean share of the k nearest that are listed, and its 95 % interval.
    nearest_two : float
        Share of the rows whose two nearest are right: all that TwoNN reads.
    ranks : tuple of int
        n1 of Gride (n2 = 2 n1); 1 is TwoNN.
    dimensions : tuple of float
        Of these rows by their exact neighbours.
    biases, bias_errors : tuple of float
        Relative deviation of the dimension of the same rows by the listed neighbours, and its
        standard error.
    """

    rows: int
    k: int
    value: float
    low: float
    high: float
    nearest_two: float
    ranks: tuple[int, ...]
    dimensions: tuple[float, ...]
    biases: tuple[float, ...]
    bias_errors: tuple[float, ...]

    @property
    def sentence(self) -> str:
        """What a result made with these neighbours says of them."""
        told = (
            f"approximate neighbours, recall@{self.k} {self.value:.3f} "
            f"({self.low:.3f}–{self.high:.3f}) on {self.rows:,} rows searched exactly"
        )
        off = [
            f"{100 * bias:+.2f} ± {100 * error:.2f} % at n1 = {rank}"
            for rank, bias, error in zip(self.ranks, self.biases, self.bias_errors, strict=True)
            if rank in (1, self.ranks[-1])
        ]
        return f"{told}; on these the dimension is off by {', '.join(off)}." if off else f"{told}."


def measured_recall(X: Points, graph: NeighborGraph, seed: int = 0, rows: int = ROWS) -> Recall:
    """Search a sample of the distinct points exactly, and hold the lists of a graph against that.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        The points of ``graph``, finite.
    graph : NeighborGraph
        Made of :class:`layergeom.geometry.approximate.ApproximatePoints`.
    seed : int
        Draws the sample.
    rows : int
        Size of the sample, at most all points.

    Returns
    -------
    Recall

    Raises
    ------
    DegenerateError
        If the graph has no lists of distinct points (built with ``exclude``, or of too few groups).
    InputError
        If ``rows`` is no whole number of 1 or more.

    Notes
    -----
    A listed neighbour counts if it is no farther than the true k-th, so ties cost nothing. The
    interval is Wilson's for a share of so many rows, as if a row had all of its neighbours or none:
    it is too wide rather than too narrow (a variable in [0, 1] varies most at its ends). The error
    of a bias is that of the mean difference of the rows' influences on the two estimates. With
    groups the ratios are those of listed neighbours, not of groups. Cost: one exact search of
    ``rows`` queries.

    Examples
    --------
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).standard_normal((500, 4))
    >>> found = measured_recall(X, neighbor_graph(X, 8), rows=100)
    >>> found.value, round(found.low, 3), round(found.high, 3), round(abs(found.biases[2]), 9)
    (1.0, 0.963, 1.0, 0.0)
    """
    first = graph.representatives
    listed, _ = graph.points
    sampled = drawn(len(first), min(arrays.count(rows, "rows", 1), len(first)), seed)
    P = X if len(first) == len(X) else X[first]
    units = None if graph.units is None else graph.units[first]
    exact = _exact(P, sampled, listed.shape[1], units)
    found = listed[sampled]
    right = found <= exact[:, -1:] * (1 + ROUNDING)
    share = float(right.mean())
    two = (found[:, :2] <= exact[:, :2] * (1 + ROUNDING)).all(axis=1).mean()
    low, high = wilson(share, len(sampled))
    k = listed.shape[1]
    return Recall(len(sampled), k, share, low, high, float(two), *_biases(found, exact))


def _exact(X: Points, sampled: IntArray, k: int, units: IntArray | None) -> FloatArray:
    """Return the exact distances of sampled rows to their k nearest others: (m, k)."""
    if units is not None:
        return _search.search(X, k, units, None, X[sampled], units[sampled]).distances
    found = _search.search(X, k + 1, None, None, X[sampled])
    itself = found.indices == sampled[:, None]
    itself[~itself.any(axis=1), -1] = True  # behind k + 1 others at distance 0
    return np.asarray(found.distances[~itself].reshape(len(sampled), k))


def _biases(
    found: FloatArray, exact: FloatArray
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Ranks, exact dimensions, relative biases and their errors, as far as the lists reach."""
    told: list[tuple[int, float, float, float]] = []
    n1 = 1
    while 2 * n1 <= exact.shape[1]:
        with suppress(DegenerateError):  # all ratios are 1
            told.append((n1, *_bias(found, exact, n1)))
        n1 *= 2
    if not told:
        return (), (), (), ()
    ranks, dimensions, biases, errors = zip(*told, strict=True)
    return ranks, dimensions, biases, errors


def _bias(found: FloatArray, exact: FloatArray, n1: int) -> tuple[float, float, float]:
    estimates = []
    known = np.isfinite(exact[:, 2 * n1 - 1]) & np.isfinite(found[:, 2 * n1 - 1])
    for lists in (exact[known], found[known]):
        log_mu = np.log(lists[:, 2 * n1 - 1] / lists[:, n1 - 1])
        estimates.append(ratio_likelihood(log_mu, n1, 2 * n1))
    (true, influence), (value, other) = estimates
    error = float((other - influence).std() / math.sqrt(max(1, known.sum())))
    return true, value / true - 1, error / true


def wilson(share: float, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, by Wilson's score interval.

    Notes
    -----
    Wilson (J. Am. Stat. Assoc. 22, 1927): p with |p̂ - p| <= z √(p(1 - p)/n), z = 1.96.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(0.8, 10)]
    [0.4902, 0.9433]
    """
    z2 = NORMAL**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = NORMAL / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return max(0.0, middle - half), min(1.0, middle + half)
