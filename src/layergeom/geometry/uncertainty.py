"""One rule for every error: influences, and which points share neighbours.

An estimate that is (to first order) a mean of per-point influences psi_i has the variance

    SE² = 1/N² · Σ_ij A_ij psi_i psi_j,

where A_ij = 1 if i = j or if one is among the neighbours of the other: points that share
neighbours do not speak independently. Fisher errors are the case A = identity; they cover 89 % at
n1 = 1 and 82 % at n1 = 32 where 95 % is claimed. For two layers on the same points A is the union
of both graphs, which gives the covariance of their estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry.neighbors import NeighborGraph


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number with its standard error.

    Attributes
    ----------
    value : float
        The estimate.
    error : float
        Standard error, in the unit of the value; nan if it is not known, never 0 for "unknown".
    influence : ndarray, shape (n,)
        Effect of each row on the estimate, times n; zero for repeats of a point.
    """

    value: float
    error: float
    influence: FloatArray


def adjacency(graph: NeighborGraph, k: int) -> sp.csr_array:
    """Return which rows share neighbours: symmetric 0/1 with unit diagonal, (n, n).

    Two distinct points are joined if one is among the ``k`` nearest points of the other; the first
    row of each point stands for it.
    """
    _, indices = graph.points
    k = min(k, indices.shape[1])
    first = graph.representatives
    rows = np.repeat(first, k)
    return joined_pairs(rows, first[indices[:, :k].reshape(-1)], graph.n)


def row_adjacency(graph: NeighborGraph, k: int) -> sp.csr_array:
    """Return the same between rows, for quantities that are means over all rows."""
    listed = graph.indices[:, :k]
    keep = listed.reshape(-1) >= 0
    rows = np.repeat(np.arange(graph.n), listed.shape[1])
    return joined_pairs(rows[keep], listed.reshape(-1)[keep], graph.n)


def joined_pairs(rows: IntArray, columns: IntArray, n: int) -> sp.csr_array:
    """Return the symmetric 0/1 matrix with unit diagonal that joins the given pairs: (n, n)."""
    diagonal = np.arange(n)
    i = np.concatenate([diagonal, rows, columns])
    j = np.concatenate([diagonal, columns, rows])
    joined = sp.csr_array((np.ones(len(i)), (i, j)), shape=(n, n))
    joined.data[:] = 1
    return joined


def standard_error(influence: FloatArray, joined: sp.csr_array | FloatArray) -> float:
    """Return the neighbour-graph-robust standard error, nan where the sum is not positive."""
    return _root(float(influence @ (joined @ influence))) / len(influence)


def same_point_error(influence: FloatArray, point: IntArray) -> float:
    """Return the standard error when only rows of one point depend on each other."""
    sums = np.bincount(point, weights=influence)
    size = float(np.abs(sums).max())
    if not 0 < size < np.inf:
        return float("nan")
    return _root(float((sums / size) @ (sums / size))) * size / len(influence)


def _root(variance: float) -> float:
    return float(np.sqrt(variance)) if variance > 0 else float("nan")


def joint_form(
    a: FloatArray, b: FloatArray, joined_a: sp.csr_array, joined_b: sp.csr_array
) -> float:
    """Return aᵀ(A ∪ B)b for 0/1 matrices, by inclusion and exclusion."""
    both = joined_a.multiply(joined_b)
    return float(a @ (joined_a @ b) + a @ (joined_b @ b) - a @ (both @ b))


def covariance(influences: Sequence[FloatArray], joined: Sequence[sp.csr_array]) -> FloatArray:
    """Return the covariance of estimates that share their rows: (L, L), positive semi-definite.

    Parameters
    ----------
    influences : sequence of L arrays, shape (n,)
        Influences of the same rows on each estimate; an array of nan marks an undefined estimate.
    joined : sequence of L sparse arrays
        The adjacency of each estimate's graph.

    Returns
    -------
    ndarray, shape (L, L)
        V_lm = Σ_ij A_ij psi_l(i) psi_m(j) / N² over the union of both graphs, with negative
        eigenvalues set to zero; nan in the rows of undefined estimates.

    Notes
    -----
    Costs L(L+1)/2 sparse products.
    """
    size = len(influences)
    known = [i for i in range(size) if np.isfinite(influences[i]).all()]
    V = np.full((size, size), np.nan)
    n = len(influences[0]) if size else 0
    for at, i in enumerate(known):
        for j in known[at:]:
            form = joint_form(influences[i], influences[j], joined[i], joined[j])
            V[i, j] = V[j, i] = form / n**2
    V[np.ix_(known, known)] = _semi_definite(V[np.ix_(known, known)])
    return V


def _semi_definite(V: FloatArray) -> FloatArray:
    if not len(V):
        return V
    values, vectors = np.linalg.eigh(V)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
