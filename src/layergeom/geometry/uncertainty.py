"""One rule for every error: influences, and which points share neighbours.

An estimate that is (to first order) a mean of per-point influences psi_i has the variance

    SE² = 1/N² · Σ_ij A_ij psi_i psi_j,

where A_ij = 1 if i = j or if one is among the neighbours of the other: points that share
neighbours do not speak independently. Fisher errors are the case A = identity; they cover 89 % at
n1 = 1 and 82 % at n1 = 32 where 95 % is claimed. For two layers on the same points A is the union
of both graphs, which gives the variance of their difference.

Rows of one group (tokens of a sequence, sequences of a cluster) are joined as well: A_ij = 1 if i
and j are of one group. The group is then the sampling unit (Liang and Zeger 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import combinations
from typing import TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry.groups import crossed
from layergeom.geometry.neighbors import NeighborGraph

WORD = 32  # layers that one word tells apart
BLOCK_ROWS = 96  # rows of the table of words: less memory than the graph of one layer

Words: TypeAlias = npt.NDArray[np.uint32]


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


@dataclass(frozen=True, eq=False)
class Joined:
    """Which rows do not speak independently: those that share neighbours, and those of one unit.

    Attributes
    ----------
    pairs : sparse array, shape (n, n)
        Symmetric 0/1 with unit diagonal: rows that share neighbours, none of them of one unit.
    units : ndarray, shape (n,), or None
        Sampling unit of every row; None if each row is its own.
    """

    pairs: sp.csr_array
    units: IntArray | None = None

    def __matmul__(self, x: FloatArray) -> FloatArray:
        """Return A x: one sparse product, and the sums over the units."""
        product = np.asarray(self.pairs @ x)
        if self.units is None:
            return product
        return product + np.bincount(self.units, weights=x)[self.units] - x


Adjacency: TypeAlias = Callable[[NeighborGraph, int], Joined]


def _shared(make: Adjacency) -> Adjacency:
    """Return the matrix of a graph and k that is still in use somewhere, else make it."""
    in_use: WeakKeyDictionary[NeighborGraph, WeakValueDictionary[int, Joined]]
    in_use = WeakKeyDictionary()

    @wraps(make)
    def shared(graph: NeighborGraph, k: int) -> Joined:
        matrices = in_use.setdefault(graph, WeakValueDictionary())
        matrix = matrices.get(k)
        if matrix is None:
            matrix = matrices[k] = make(graph, k)
        return matrix

    return shared


@_shared
def adjacency(graph: NeighborGraph, k: int) -> Joined:
    """Return which rows are joined, for quantities that are means over the distinct points.

    Two distinct points are joined if one is among the ``k`` nearest points of the other (with
    groups: among its points up to the k-th nearest group), or if all their rows are of one group;
    the first row of each point stands for it. The answer is shared by all who hold it: do not
    change it.
    """
    _, indices = graph.points
    if graph.unit_ranks is None:
        near = np.broadcast_to(np.arange(indices.shape[1]) < k, indices.shape)
    else:
        near = (indices >= 0) & (np.roll(graph.unit_ranks, 1, axis=1) < k)
        near[:, 0] = True
    first = graph.representatives
    rows = np.repeat(first, near.sum(axis=1))
    return Joined(joined_pairs(rows, first[indices[near]], graph.n), graph.units)


@_shared
def row_adjacency(graph: NeighborGraph, k: int) -> Joined:
    """Return the same between rows, for quantities that are means over all rows."""
    listed = graph.indices[:, :k]
    keep = listed.reshape(-1) >= 0
    rows = np.repeat(np.arange(graph.n), listed.shape[1])
    return Joined(joined_pairs(rows[keep], listed.reshape(-1)[keep], graph.n), graph.groups)


def joined_pairs(rows: IntArray, columns: IntArray, n: int) -> sp.csr_array:
    """Return the symmetric 0/1 matrix with unit diagonal that joins the given pairs: (n, n)."""
    bits = max(1, (n - 1).bit_length())
    keys: IntArray = np.empty(n + 2 * len(rows), dtype=np.int32 if 2 * bits < 32 else np.int64)
    diagonal = np.arange(n)
    parts = np.split(keys, [n, n + len(rows)])
    sides = ((diagonal, diagonal), (rows, columns), (columns, rows))
    for part, (i, j) in zip(parts, sides, strict=True):
        np.left_shift(i, bits, out=part, casting="same_kind")
        np.bitwise_or(part, j, out=part, casting="same_kind")
    keys.sort()  # far sooner than a sparse matrix sorts its rows
    keys = keys[np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))]
    starts = np.append(np.searchsorted(keys, (diagonal << bits).astype(keys.dtype)), len(keys))
    return sp.csr_array((np.ones(len(keys)), keys & (1 << bits) - 1, starts), shape=(n, n))


def standard_error(influence: FloatArray, joined: Joined | sp.csr_array | FloatArray) -> float:
    """Return the neighbour-graph-robust standard error, nan where the sum is not positive."""
    return _root(float(influence @ (joined @ influence))) / len(influence)


def same_point_error(influence: FloatArray, point: IntArray) -> float:
    """Return the standard error when only rows of one point depend on each other."""
    sums = np.bincount(point, weights=influence)
    size = float(np.abs(sums).max())
    if not 0 < size < np.inf:
        return float("nan")
    return _root(float((sums / size) @ (sums / size))) * size / len(influence)


def cluster_error(influence: FloatArray, point: IntArray, groups: IntArray | None) -> float:
    """Return the standard error when rows of one point, or of one group, depend on each other.

    Cameron, Gelbach and Miller 2011, equation 2.9: what both ways of belonging together join is
    counted once.
    """
    if groups is None:
        return same_point_error(influence, point)
    size = float(np.abs(influence).max())
    if not 0 < size < np.inf:
        return float("nan")
    scaled = influence / size
    ways = (groups, 1), (point, 1), (crossed(groups, point), -1)
    variance = sum(sign * _square_of_sums(codes, scaled, scaled) for codes, sign in ways)
    return _root(variance) * size / len(influence)


def _square_of_sums(codes: IntArray, x: FloatArray, y: FloatArray) -> float:
    """Return Σ x_i y_j over all rows i, j of one class."""
    sums = np.bincount(codes, weights=x)
    return float(sums @ (sums if x is y else np.bincount(codes, weights=y)))


def _root(variance: float) -> float:
    return float(np.sqrt(variance)) if variance > 0 else float("nan")


class JoinedLayers:
    """Which rows the neighbour graphs of several layers join, and the forms over their unions.

    Parameters
    ----------
    joined : sequence of L Joined
        From :func:`adjacency` or :func:`row_adjacency`.

    Notes
    -----
    The pairs i < j of every layer are held with a word that has a bit for each layer that joins
    the same pair: 16 bytes for a pair, 4 more for each 32 layers beyond the first 32, and while
    the words are made 4 · BLOCK_ROWS bytes for a row. A form takes two sparse products
    for each of its vectors.
    """

    def __init__(self, joined: Sequence[Joined]) -> None:
        self._pairs = [_upper(each.pairs) for each in joined]
        self._units = [each.units for each in joined]
        self._words = _layers_joining(self._pairs)

    def form(self, a: int, b: int, x: FloatArray, y: FloatArray) -> float:
        """Return xᵀ(A ∪ B)y for the layers number ``a`` and ``b``."""
        right = self._above(a, b, y)
        left = right if x is y else self._above(a, b, x)
        return float(self._within_units(a, b, x, y) + x @ right + y @ left)

    def standard_error(self, a: int, b: int, influence: FloatArray) -> float:
        """Return the error of an estimate that both layers enter, nan where it is not known."""
        return _root(self.form(a, b, influence, influence)) / len(influence)

    def _within_units(self, a: int, b: int, x: FloatArray, y: FloatArray) -> float:
        """Sum over the pairs, and the rows, that are of one unit in a or in b."""
        units = self._different_units(a, b)
        found = [_square_of_sums(codes, x, y) for codes in units]
        if len(units) == 2:
            found.append(-_square_of_sums(crossed(*units), x, y))
        return sum(found) if units else float(x @ y)

    def _different_units(self, a: int, b: int) -> list[IntArray]:
        u, v = self._units[a], self._units[b]
        if u is None or v is None:
            return [codes for codes in (u, v) if codes is not None]
        return [u] if u is v or np.array_equal(u, v) else [u, v]

    def _above(self, a: int, b: int, x: FloatArray) -> FloatArray:
        """Return A ∪ B above the diagonal times x: the part of B, and what A joins alone."""
        pairs, bit = self._pairs[a], np.uint32(1 << b % WORD)
        alone = np.equal(self._words[a][b // WORD] & bit, 0).astype(np.float64)
        other = self._pairs[b]
        units = self._different_units(a, b)
        if len(units) == 2:
            alone *= _apart(pairs, units[1])
            other = _weighted(other, _apart(other, units[0]))
        return np.asarray(other @ x + _weighted(pairs, alone) @ x)


def _weighted(pairs: sp.csr_array, weights: FloatArray) -> sp.csr_array:
    return sp.csr_array((weights, pairs.indices, pairs.indptr), shape=pairs.shape)


def _apart(pairs: sp.csr_array, units: IntArray) -> FloatArray:
    """1 for each pair whose rows are not of one unit: repeats may be shared at one layer only."""
    rows = np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))
    return np.asarray(units[rows] != units[pairs.indices], dtype=np.float64)


def _upper(joined: sp.csr_array) -> sp.csr_array:
    """Return the entries above the diagonal; several times sooner than scipy's triu."""
    n = joined.shape[0]
    rows = np.repeat(np.arange(n, dtype=joined.indices.dtype), np.diff(joined.indptr))
    above = np.flatnonzero(joined.indices > rows)
    starts = np.searchsorted(above, joined.indptr)
    return sp.csr_array((np.ones(len(above)), joined.indices[above], starts), shape=(n, n))


def _layers_joining(pairs: Sequence[sp.csr_array]) -> list[Words]:
    """For each layer and each of its pairs, one bit per layer that joins it: (L / 32, pairs)."""
    n = pairs[0].shape[0] if pairs else 0
    table = np.zeros((-(-len(pairs) // WORD), BLOCK_ROWS * n), dtype=np.uint32)
    words = [np.empty((len(table), layer.nnz), dtype=np.uint32) for layer in pairs]
    for low in range(0, n, BLOCK_ROWS):
        high = min(low + BLOCK_ROWS, n)
        places = [_places(layer, low, high) for layer in pairs]
        for at, marked in enumerate(places):
            table[at // WORD][marked] |= np.uint32(1 << at % WORD)
        for layer, marked, found in zip(pairs, places, words, strict=True):
            block = slice(layer.indptr[low], layer.indptr[high])
            np.take(table, marked, axis=1, out=found[:, block], mode="clip")
        for marked in places:
            table[:, marked] = 0
    return words


def _places(pairs: sp.csr_array, low: int, high: int) -> IntArray:
    """Positions of the entries of some rows in a table of these rows."""
    bounds = pairs.indptr[low : high + 1]
    rows = np.repeat(np.arange(high - low), np.diff(bounds))
    return np.asarray(rows * pairs.shape[0] + pairs.indices[bounds[0] : bounds[-1]])


def covariance(influences: Sequence[FloatArray], joined: Sequence[Joined]) -> FloatArray:
    """Return the covariance of estimates that share their rows: (L, L), positive semi-definite.

    Parameters
    ----------
    influences : sequence of L arrays, shape (n,)
        Influences of the same rows on each estimate; an array of nan marks an undefined estimate.
    joined : sequence of L Joined
        The adjacency of each estimate's graph; anything where the estimate is undefined.

    Returns
    -------
    ndarray, shape (L, L)
        V_ll = Σ_ij A_ij psi_l(i) psi_l(j) / N² over the graph of the layer, and V_lm such that
        V_ll + V_mm - 2 V_lm, the variance of a difference, is that of psi_l - psi_m over the union
        of both graphs. Negative eigenvalues are set to zero; nan in the rows of undefined
        estimates.

    Notes
    -----
    Not Σ_ij A_ij psi_l(i) psi_m(j) over the union: where influences are smooth over the cloud and
    the layers alike, as those of a label overlap are, the union holds more of their product than
    each graph holds of its own square, and differences seem to have no error
    (docs/reference/coverage.md).

    Takes the memory of :class:`JoinedLayers` and two sparse products for each two layers.
    """
    size = len(influences)
    known = [i for i in range(size) if np.isfinite(influences[i]).all()]
    layers = JoinedLayers([joined[i] for i in known])
    psi = [influences[i] for i in known]
    V = np.diag([layers.form(a, a, x, x) / len(x) ** 2 for a, x in enumerate(psi)])
    varying = [a for a, x in enumerate(psi) if x.any()]  # a constant goes with nothing
    for a, b in combinations(varying, 2):
        apart = psi[a] - psi[b]
        of_difference = layers.form(a, b, apart, apart) / len(apart) ** 2
        V[a, b] = V[b, a] = (V[a, a] + V[b, b] - of_difference) / 2
    whole = np.full((size, size), np.nan)
    whole[np.ix_(known, known)] = _semi_definite(V)
    return whole


def _semi_definite(V: FloatArray) -> FloatArray:
    if not len(V):
        return V
    values, vectors = np.linalg.eigh(V)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
