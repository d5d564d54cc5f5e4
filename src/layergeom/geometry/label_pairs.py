"""Rows with labels and their neighbours with labels: means over the pairs, and their errors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry.groups import own_where_missing, rows_of_own
from layergeom.geometry.label_matches import admissible_lists
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Joined, cluster_error
from layergeom.written import counted

ROUNDING = 1e-14
TINY = 1e-300
LEFT_OUT = "no label, no labelled row among their neighbours, or too few admissible neighbours"


@dataclass(frozen=True, eq=False)
class LabelledPairs:
    """Labelled rows i, their labelled neighbours j, and the weight of j among those of i.

    Attributes
    ----------
    graph : NeighborGraph
        Of all rows.
    labelled, counted : ndarray of bool, shape (n,)
        Rows with a label; those of them that have a labelled neighbour and k admissible ones.
    rows, neighbors : ndarray, shape (p,)
        i and j of each pair.
    shares : ndarray, shape (p,)
        Of the neighbours' places among the k: 1, or less where a tie shares the last ones.
    own : sequence of ndarray, shape (n,)
        At most two partitions: rows of one class are no neighbours.
    """

    graph: NeighborGraph
    labelled: BoolArray
    counted: BoolArray
    rows: IntArray
    neighbors: IntArray
    shares: FloatArray
    own: Sequence[IntArray]

    @property
    def number(self) -> int:
        """Rows that count."""
        return int(self.counted.sum())

    @property
    def left_out(self) -> int:
        """Rows that do not count."""
        return self.graph.n - self.number

    def mean_of(self, of_rows: FloatArray) -> float:
        """Return the mean over the rows that count."""
        return float(of_rows[self.counted].mean())

    def row_means(self, values: FloatArray) -> FloatArray:
        """Return the mean of a quantity of pairs over the pairs of each row: (n,)."""
        sums = np.bincount(self.rows, self.shares * values, self.graph.n)
        return np.asarray(sums / np.maximum(self._places, TINY))  # equal values give this value

    @cached_property
    def weights(self) -> FloatArray:
        """The shares, which sum to 1 over the pairs of a row: (p,)."""
        return np.asarray(self.shares / self._places[self.rows])

    @cached_property
    def _places(self) -> FloatArray:
        return np.asarray(np.bincount(self.rows, self.shares, self.graph.n), dtype=np.float64)

    def influence(self, values: FloatArray) -> FloatArray:
        """Return the effect of each row on the mean of the row means, times n: (n,).

        A row speaks for itself, and as a neighbour of others: there by how far it lies from what
        their other neighbours say.
        """
        means = self.row_means(values)
        own = np.where(self.counted, means - self.mean_of(means), 0.0)
        heard = np.bincount(self.neighbors, self._beside(values, means), self.graph.n)
        return np.asarray((own + heard) * (self.graph.n / self.number))

    def standard_error(
        self, influence: FloatArray, values: FloatArray, slope: float = 1.0
    ) -> float:
        """Return the error of an estimate with this influence; nan where it is not known.

        Parameters
        ----------
        influence : ndarray, shape (n,)
        values : ndarray, shape (p,)
            Of the pairs.
        slope : float
            Of the estimate over the mean of the row means.

        Notes
        -----
        SE² = 1/N² · (Σ_u psi_u² − Σ_{u<v} x_uv²) over sampling units u (groups, else distinct
        points): what a pair says beyond its rows, x, stands in the influences of both its units
        and must be counted once, as in the dyadic variance of Fafchamps and Gubert 2007. It is
        never more than half of the first sum.
        """
        if np.abs(influence).max() < ROUNDING * self.graph.n:
            return float("nan")
        whole = cluster_error(influence, self.graph.point, self.graph.groups)
        scale = slope * self.graph.n / self.number
        x = self._beside(values, self.row_means(values)) * scale
        size = int(self.units.max()) + 1
        a, b = self.units[self.rows], self.units[self.neighbors]
        pairs = sp.coo_array((x, (np.minimum(a, b), np.maximum(a, b))), shape=(size, size)).tocsr()
        twice = float(pairs.data @ pairs.data) / self.graph.n**2
        return float(np.sqrt(max(whole**2 - twice, whole**2 / 2)))

    def _beside(self, values: FloatArray, means: FloatArray) -> FloatArray:
        return self.weights * (values - means[self.rows])

    @cached_property
    def units(self) -> IntArray:
        """Sampling unit of every row: its group, or its distinct point."""
        return self.graph.point if self.graph.groups is None else self.graph.groups

    @property
    def joined(self) -> Joined:
        """Which rows do not speak independently: those of one unit."""
        return lone_units(self.graph)


def lone_units(graph: NeighborGraph) -> Joined:
    """Return what joins the rows of a group, or of a distinct point, and no others."""
    n = graph.n
    identity = sp.csr_array((np.ones(n), np.arange(n), np.arange(n + 1)), shape=(n, n))
    return Joined(identity, graph.point if graph.groups is None else graph.groups)


def labelled_pairs(
    graph: NeighborGraph, labelled: BoolArray, k: int, exclude: object, what: str
) -> LabelledPairs:
    """Return the labelled rows with their labelled ones among the k nearest admissible rows.

    Parameters
    ----------
    graph : NeighborGraph
        Lists at least k neighbours; with ``exclude``, build it with ``exclude=exclude``.
    labelled : ndarray of bool, shape (n,)
    k : int
        Neighbours looked at. Those without a label are passed over: where labels are missing at
        random, means over pairs are those of full labels in expectation.
    exclude : sequence of n groups, or None
        Finer groups whose members are no neighbours of each other.
    what : str
        The quantity, for messages.

    Raises
    ------
    InputError
        If the graph lists too few neighbours, or the groups do not fit.
    DegenerateError
        If no labelled row has a labelled neighbour.

    Warns
    -----
    GeometryWarning
        If labelled rows are left out.
    """
    check_graph(graph)
    k = arrays.count(k, "k", 1, graph.n - 1)
    excluded = None
    if exclude is not None:
        excluded = own_where_missing(arrays.labels(exclude, graph.n, "exclude"))
    own = [partition for partition in (graph.groups, excluded) if partition is not None]
    others = graph.n - rows_of_own(graph.n, own)
    members = admissible_lists(graph, k, excluded, others).weights(k).tocoo()
    kept = labelled[members.row] & labelled[members.col] & (others >= k)[members.row]
    rows, neighbors = members.row[kept].astype(np.int64), members.col[kept].astype(np.int64)
    counted = np.bincount(rows, minlength=graph.n) > 0
    if not counted.any():
        raise DegenerateError(
            f"no labelled row has a labelled one among its {k} nearest admissible neighbours, so "
            f"{what} is unknown; give more labels or a larger k."
        )
    _warn_left_out(graph.n - int(counted.sum()), what)
    return LabelledPairs(graph, labelled, counted, rows, neighbors, members.data[kept], own)


def _warn_left_out(rows: int, what: str) -> None:
    if rows:
        warnings.warn(
            f"{counted(rows, 'row does', 'rows do')} not count in {what}: {LEFT_OUT}.",
            GeometryWarning,
            stacklevel=4,
        )
