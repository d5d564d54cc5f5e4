"""The neighbour lists held against float64: some rows of a layer, measured from all others again.

The search proposes candidates by bounds (docs/explanation/exact_neighbors.md). The audit uses
none of them: it takes the squared distances of a sample of points from all points by float64
products, with the bound of their rounding, and settles by direct differences what these leave open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.geometry._found import power_of_two
from layergeom.geometry.neighbors import NeighborGraph

ROWS = 16  # points measured again: below 2 % of what else is done for a layer
BLOCK_ENTRIES = 1 << 17  # values of one block of points in float64: they stay in the cache


@dataclass(frozen=True)
class Audit:
    """What a sample of points says of the neighbour lists.

    Attributes
    ----------
    rows : int
        Distinct points that were measured again.
    deviation : float
        Largest relative deviation of a listed distance from that of float64 differences.
    differing : int
        Of these points, those whose list holds a point of their own group, or misses one that is
        nearer than the last listed by more than the rounding of a float64 sum.
    """

    rows: int
    deviation: float
    differing: int


def audit(X: Points, graph: NeighborGraph, seed: int = 0, rows: int = ROWS) -> Audit:
    """Measure a sample of the distinct points from all others again, in float64.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        The points of ``graph``, finite.
    graph : NeighborGraph
        Its lists of distinct points are audited.
    seed : int
        Draws the sample.
    rows : int
        Size of the sample, at most all points.

    Returns
    -------
    Audit
        A deviation of some 1e-16 is the order of summation.

    Raises
    ------
    DegenerateError
        If the graph has no lists of distinct points (built with ``exclude``, or of too few groups).
    InputError
        If ``rows`` is no whole number of 1 or more.

    Notes
    -----
    A product of centred rows errs by at most 2 (D + 8) ε (|x|² + |y|²) of the squared distance;
    what lies that near to the last listed neighbour is decided by direct differences. One pass over
    the points and ``rows`` × p products of length D.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).standard_normal((200, 5))
    >>> found = audit(X, neighbor_graph(X, k=10))
    >>> found.rows, found.deviation < 1e-15, found.differing
    (16, True, 0)
    """
    rows = min(arrays.count(rows, "rows", 1), graph.n_distinct)
    lists = _Lists.of(X, graph)
    sampled = drawn(graph.n_distinct, rows, seed)
    near = _near(lists, sampled)
    found = [lists.held_against(int(q), near[s]) for s, q in enumerate(sampled)]
    return Audit(rows, max(deviation for deviation, _ in found), sum(wrong for _, wrong in found))


def drawn(n: int, rows: int, seed: int) -> IntArray:
    """Return a sample of n points without replacement, ascending."""
    return np.sort(np.random.default_rng(seed).choice(n, rows, replace=False))


@dataclass(frozen=True, eq=False)
class _Lists:
    """The lists of the distinct points, where these lie, and their units (None: each its own)."""

    X: Points
    first: IntArray
    distances: FloatArray
    indices: IntArray
    units: IntArray | None

    @classmethod
    def of(cls, X: Points, graph: NeighborGraph) -> _Lists:
        first = graph.representatives
        units = None if graph.units is None else graph.units[first]
        return cls(X, first, *graph.points, units)

    def radii(self, points: IntArray) -> FloatArray:
        """Distance to the last listed neighbour; inf where a list holds all there are: (s,)."""
        whole = self.indices[points, -1] >= 0
        return np.where(whole, self.distances[points, -1], np.inf)

    def rows(self, points: slice | IntArray) -> Points:
        """Coordinates of some points."""
        return self.X[points if len(self.first) == len(self.X) else self.first[points]]

    def held_against(self, point: int, near: IntArray) -> tuple[float, bool]:
        """Largest relative deviation of a point's listed distances, and whether its list is wrong.

        ``near`` are points that may lie within its radius.
        """
        listed = self.indices[point][self.indices[point] >= 0]
        direct = self.direct(point, listed)
        deviation = np.abs(self.distances[point, : len(listed)] / direct - 1).max(initial=0.0)
        others = np.setdiff1d(near, np.append(listed, point))
        rounding = self.X.shape[1] * float(np.finfo(np.float64).eps)
        limit = self.radii(np.array([point]))[0] * (1 - rounding)
        missed = bool((self.direct(point, others) < limit).any())
        return float(deviation), missed or bool((~self.admissible(point, listed)).any())

    def direct(self, point: int, others: IntArray) -> FloatArray:
        """Distances by float64 differences: (m,)."""
        own = self.rows(np.array([point])).astype(np.float64)
        difference = self.rows(others) - own
        scale = power_of_two(difference) if difference.size else 1.0
        difference /= scale
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", difference, difference)) * scale)

    def admissible(self, point: int, others: IntArray) -> arrays.BoolArray:
        """Whether others may be neighbours of a point: not itself, and of no common unit: (m,)."""
        units = np.arange(len(self.first)) if self.units is None else self.units
        return np.asarray(units[others] != units[point])


def _near(lists: _Lists, sampled: IntArray) -> list[IntArray]:
    """For each sampled point, the admissible points that may lie within its radius."""
    own = lists.rows(sampled).astype(np.float64)
    scale, centre = power_of_two(own), own.mean(axis=0)
    own = (own - centre) / scale
    squares = np.einsum("ij,ij->i", own, own)[:, None]
    reach = (lists.radii(sampled) / scale)[:, None] ** 2
    slack = 2 * (own.shape[1] + 8) * float(np.finfo(np.float64).eps)
    step = max(1, BLOCK_ENTRIES // own.shape[1])
    found: list[list[IntArray]] = [[] for _ in sampled]
    for start in range(0, len(lists.first), step):
        block = lists.rows(slice(start, start + step)).astype(np.float64)
        block -= centre
        if scale != 1.0:
            block /= scale
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is measured directly
            sums = squares + np.einsum("ij,ij->i", block, block)
            beyond = (1 - slack) * sums - 2 * (own @ block.T) > reach
        for s, column in zip(*np.nonzero(~beyond), strict=True):
            found[s].append(column + start)
    each = [np.array(columns, dtype=np.int64) for columns in found]
    return [near[lists.admissible(q, near)] for q, near in zip(sampled, each, strict=True)]
