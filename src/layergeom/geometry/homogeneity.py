"""Local homogeneity: how far around a point the density of points is constant.

Dimensions from ratios of distances, and the overlaps that follow them, assume it. The test is that
of PAk (Rodriguez, d'Errico, Facco and Laio 2018, J. Chem. Theory Comput. 14, 1206):
is the density in the ball of the first k neighbours of i that in the ball of as many neighbours of
its (k+1)-th neighbour j? With V ∝ r^d the likelihood ratio is

    D_k = -2k [log V_i + log V_j - 2 log(V_i + V_j) + log 4] = 4k log cosh(d/2 · log(r_i/r_j)),

where r_i and r_j are the distances to their k-th neighbours. It is compared with χ² of one degree
of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Estimate, adjacency

THRESHOLD = 23.92812698  # of D_k, p = 1e-6 for χ² of one degree of freedom
FIRST = 3  # neighbours of the smallest ball that is compared
NEIGHBORS = 6  # within which Valeriani et al. 2023 ask for a constant density
BLOCK_ROWS = 256  # joined to others together: in a cloud with a hub each is joined to nearly all


@dataclass(frozen=True, eq=False)
class Homogeneity(Estimate):
    """The share of the points around which the density is constant, with its error.

    Attributes
    ----------
    neighbors : int
        The value is the share of the distinct points whose density is constant within so many.
    k_hat : ndarray, shape (p,)
        For every distinct point, the largest number of neighbours, at most ``k_max``, within which
        the density is constant.
    k_max : int
        Where the test ends.
    threshold : float
        D_k beyond which densities differ.
    """

    neighbors: int
    k_hat: IntArray
    k_max: int
    threshold: float


def local_homogeneity(
    graph: NeighborGraph,
    dimension: float,
    neighbors: int = NEIGHBORS,
    k_max: int | None = None,
    threshold: float = THRESHOLD,
) -> Homogeneity:
    """Return the share of the points whose density is constant within their first neighbours.

    Parameters
    ----------
    graph : NeighborGraph
        Without groups; lists at least ``k_max`` neighbours. Distinct points carry the test.
    dimension : float
        Intrinsic dimension, which makes distances volumes; that of :func:`layergeom.twonn`.
    neighbors : int, >= 4
        Valeriani et al. 2023 check the first six.
    k_max : int, optional
        Where the test of each point ends; ``neighbors`` unless given.
    threshold : float
        Of D_k; 23.93 is p = 1e-6 in each comparison.

    Returns
    -------
    Homogeneity
        A share in [0, 1]. Its neighbour-graph-robust error joins points that have one of their
        ``neighbors`` in common, since the radius of one ball enters the tests of all who list its
        centre; it is at least that of one failing point, so that it is known where none fails.

    Raises
    ------
    DegenerateError
        If the graph has groups or lists fewer neighbours of its distinct points.
    InputError
        If the dimension or the threshold is not positive and finite, or the numbers of neighbours
        are no whole numbers, or in the wrong order.

    Notes
    -----
    A ball of k = 3, 4, … neighbours is compared until one comparison fails; k-hat is that k, as the
    density of its first k neighbours was found constant and that of the next is not (Rodriguez et
    al. 2018). With few neighbours the test is weak: the last one within six sees
    densities that differ by a factor of 42 (docs/explanation/homogeneity.md). Points at a boundary
    and outliers fail it where dimension is large; a wrong dimension makes it too strict or too lax.
    Costs a logarithm for each listed distance; the error counts the pairs with a common neighbour,
    about a hundred for each point. Where much fails in high dimension it is too small: intervals of
    95 % held 78 to 87 % for Gaussians of dimension 20.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> rng = np.random.default_rng(0)
    >>> square = rng.random((1000, 2))
    >>> local_homogeneity(neighbor_graph(square, k=6), 2.0).value
    1.0
    """
    neighbors = arrays.count(neighbors, "neighbors", FIRST + 1)
    k_max = neighbors if k_max is None else arrays.count(k_max, "k_max", neighbors)
    k_hat = constant_neighbors(graph, dimension, k_max, threshold)
    constant = (k_hat >= neighbors).astype(np.float64)
    share = float(constant.mean())
    rows = np.zeros(graph.n)
    rows[graph.representatives] = (constant - share) * (graph.n / len(constant))
    error = max(_error(rows, adjacency(graph, neighbors).pairs), _one_failing(len(constant)))
    return Homogeneity(share, error, rows, neighbors, k_hat, k_max, float(threshold))


def constant_share(graph: NeighborGraph, dimension: float) -> tuple[float, float]:
    """Return value and error of :func:`local_homogeneity`, of six neighbours."""
    found = local_homogeneity(graph, dimension)
    return found.value, found.error


def constant_neighbors(
    graph: NeighborGraph, dimension: float, k_max: int, threshold: float = THRESHOLD
) -> IntArray:
    """Return k-hat of every distinct point: (p,), 3 .. ``k_max``.

    Parameters and exceptions are those of :func:`local_homogeneity`.
    """
    check_graph(graph)
    for name, number in (("dimension", dimension), ("threshold", threshold)):
        if not 0 < number < np.inf:
            raise InputError(f"{name} is {number}; it must be positive and finite.")
    if graph.groups is not None:
        raise DegenerateError(
            "the test of constant density counts independent rows, and groups are given; leave the "
            "groups out, or keep one row of each."
        )
    distances, indices = graph.points
    if k_max > distances.shape[1]:
        raise DegenerateError(
            f"constant density within {k_max} neighbours cannot be tested with the "
            f"{distances.shape[1]} that are listed of {len(distances)} distinct points; list more "
            "neighbours, or give more rows."
        )
    radii = np.log(distances[:, :k_max])
    k_hat = np.full(len(radii), k_max)
    for k in range(k_max - 1, FIRST - 1, -1):
        apart = np.abs(radii[:, k - 1] - radii[indices[:, k], k - 1])
        k_hat[apart > _widest(k, threshold) / dimension] = k
    return k_hat


def _widest(k: int, threshold: float) -> float:
    """Return x at which 4k log cosh(x/2) is the threshold: log of the ratio of volumes."""
    t = threshold / (4 * k)
    return float(2 * (t + np.log1p(np.sqrt(-np.expm1(-2 * t)))))


def _error(influence: FloatArray, pairs: sp.csr_array) -> float:
    """Return the standard error when rows joined by one pair or by two depend on each other."""
    total = 0.0
    for start in range(0, len(influence), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        joined = pairs[rows] @ pairs
        joined.data[:] = 1
        total += float(influence[rows] @ (joined @ influence))
    return float(np.sqrt(max(total, 0.0)) / len(influence))


def _one_failing(p: int) -> float:
    """Return the standard error of a share of which one point of ``p`` makes the difference."""
    return float(np.sqrt(p - 1) / p**1.5)
