"""The neighbour graph: the only pass over distances, and everything that is read from it.

Two views of one search: **rows** (a repeated row is a neighbour at distance 0; overlaps need
that) and **distinct points** (repeated rows count once; dimension needs that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import _search, duplicates, point_search
from layergeom.geometry._found import Progress
from layergeom.geometry._search import Cloud
from layergeom.geometry.groups import group_codes, own_where_missing, point_units, unit_ranks


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """The k nearest other rows of every row, self excluded, with ties and repeated rows known.

    Attributes
    ----------
    distances : ndarray, shape (n, k)
        Euclidean distances, ascending, in the units of the data. A repeated row lies at 0.
        ``inf`` where a row has fewer than k admissible neighbours (only with groups).
    indices : ndarray, shape (n, k)
        Row numbers of the neighbours; ties are listed by lower index; -1 where there is none.
    ties : mapping of row to ndarray
        Further rows at exactly the k-th distance; rows without such a tie are absent.
    point : ndarray, shape (n,)
        The distinct point of every row, numbered by first row.
    distinct_distances, distinct_indices : ndarray, shape (p, k') or None
        The same lists among the distinct points (positions in ``representatives``), k' = min(k,
        p - 1); with groups, k' is large enough for two other groups. None in a graph with
        ``exclude``, and where a point meets fewer than two groups.
    groups : ndarray, shape (n,), or None
        The group of every row, where rows are no independent samples: no row lists its own group,
        and errors add up the groups before they square.

    Notes
    -----
    Two rows are the same point if they are equal, if they come from the same input, or if their
    distance is within the rounding of their own float32 or float64 values
    (:func:`layergeom.geometry.duplicates.rounding_floor`).
    """

    distances: FloatArray
    indices: IntArray
    ties: dict[int, IntArray]
    point: IntArray
    distinct_distances: FloatArray | None
    distinct_indices: IntArray | None
    groups: IntArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.indices)

    @property
    def k(self) -> int:
        """Number of neighbours listed per row."""
        return int(self.indices.shape[1])

    @cached_property
    def representatives(self) -> IntArray:
        """The first row of every distinct point, ascending: (p,)."""
        return duplicates.representatives(self.point)

    @property
    def n_distinct(self) -> int:
        """Number of distinct points."""
        return len(self.representatives)

    @cached_property
    def units(self) -> IntArray | None:
        """The sampling unit of every row's point, None if each is its own: (n,).

        See :func:`layergeom.geometry.groups.point_units`.
        """
        return None if self.groups is None else point_units(self.groups, self.point)

    @cached_property
    def unit_ranks(self) -> IntArray | None:
        """How many units the list of each distinct point has met: (p, k'), None without groups."""
        if self.units is None:
            return None
        return unit_ranks(self.points[1], self.units[self.representatives])

    def weights(self, k: int) -> sp.csr_array:
        """Return the (n, n) matrix of memberships in the k-neighbourhood.

        Rows sum to ``k``: 1 for every neighbour nearer than the k-th distance; those at the k-th
        distance share the remaining places equally, so that row order never matters.

        Raises
        ------
        InputError
            If ``k`` exceeds the neighbours that the graph lists.
        """
        k = self.checked_k(k)
        tied = self.tied_rows(k)
        keep = np.isfinite(self.distances[:, :k])
        rows = np.repeat(np.arange(self.n), keep.sum(axis=1))
        plain = sp.csr_array(
            (np.ones(len(rows)), (rows, self.indices[:, :k][keep])), shape=(self.n, self.n)
        )
        return self._share(plain, k, tied) if len(tied) else plain

    def checked_k(self, k: int) -> int:
        """Return ``k`` as an int if the graph lists so many neighbours.

        Raises
        ------
        InputError
            If ``k`` is no whole number from 1 to the number of neighbours listed.
        """
        k = arrays.count(k, "k", 1)
        if k > self.k:
            raise InputError(
                f"k is {k} but the graph lists {self.k} neighbours of {self.n} rows; build it "
                f"with neighbor_graph(X, k={k}) (k must stay below the number of rows)."
            )
        return k

    def tied_rows(self, k: int) -> IntArray:
        """Return the rows with more neighbours at the k-th distance than k places hold, ascending.

        Rows whose tie ends with the k-th place, or that have fewer than ``k`` neighbours, are not
        among them: the first ``k`` listed are all there is to say about these.

        Raises
        ------
        InputError
            If ``k`` exceeds the neighbours that the graph lists.
        """
        k = self.checked_k(k)
        if k == self.k:
            return np.array(sorted(self.ties), dtype=np.int64)
        kth = self.distances[:, k - 1]
        return np.flatnonzero(np.isfinite(kth) & (self.distances[:, k] == kth))

    def _share(self, plain: sp.csr_array, k: int, rows: IntArray) -> sp.csr_array:
        """Replace the given rows of ``plain`` by rows in which the tie shares its places."""
        lists = [self._shared_row(int(row), k) for row in rows]
        counts = [len(members) for members, _ in lists]
        shared = sp.csr_array(
            (
                np.concatenate([w for _, w in lists]),
                (np.repeat(rows, counts), np.concatenate([m for m, _ in lists])),
            ),
            shape=plain.shape,
        )
        others = np.ones(self.n)
        others[rows] = 0
        return sp.csr_array(sp.diags_array(others) @ plain + shared)

    def _shared_row(self, row: int, k: int) -> tuple[IntArray, FloatArray]:
        distances, members = self.distances[row], self.indices[row]
        kth = distances[k - 1]
        tied = members[distances == kth]
        if distances[-1] == kth and row in self.ties:
            tied = np.concatenate([tied, self.ties[row]])
        nearer = members[distances < kth]
        share = (k - len(nearer)) / len(tied)
        weights = np.concatenate([np.ones(len(nearer)), np.full(len(tied), share)])
        return np.concatenate([nearer, tied]), weights

    def _beyond(self, row: int, k: int) -> IntArray:
        """Members of the tie at the k-th distance that the first k places do not hold."""
        members, _ = self._shared_row(row, k)
        return members[~np.isin(members, self.indices[row, :k])]

    @cached_property
    def points(self) -> tuple[FloatArray, IntArray]:
        """Distances and indices among the distinct points.

        Raises
        ------
        DegenerateError
            If the graph was built with ``exclude``, or a point meets fewer than two groups.
        """
        if self.distinct_distances is None or self.distinct_indices is None:
            raise DegenerateError(
                "the neighbours of a point are all of one other group, too few groups for a "
                "dimension; give more groups, or fewer rows of each."
                if self.groups is not None
                else "this graph leaves out neighbours for a label overlap; build one without "
                "exclude to estimate the dimension."
            )
        return self.distinct_distances, self.distinct_indices

    @classmethod
    def from_arrays(
        cls, distances: object, indices: object, *, self_included: bool
    ) -> NeighborGraph:
        """Build a graph from precomputed neighbour lists, checked at the door.

        Parameters
        ----------
        distances, indices : array_like, shape (n, k)
            Neighbours of each row, ascending by distance.
        self_included : bool
            Whether column 0 is the row itself (as in DADApy) or its first neighbour (as in
            scikit-learn's ``kneighbors()`` without argument).

        Raises
        ------
        InputError
            If shapes differ, distances are negative, not finite or not ascending, indices are out
            of range or repeated, or ``self_included`` contradicts the lists.
        """
        from layergeom.geometry.lists import checked_lists, distinct_lists

        d, i = checked_lists(distances, indices, self_included)
        point, dd, di = distinct_lists(d, i)
        return cls(d, i, {}, point, dd, di)

    def nearest(self, k: int) -> NeighborGraph:
        """Return the graph of the first ``k`` listed neighbours, with their ties."""
        if k == self.k:
            return self
        k = self.checked_k(k)
        ties = {row: self._beyond(row, k) for row in self.tied_rows(k).tolist()}
        wide = self._narrowest(k)
        narrow = None if self.distinct_distances is None else self.distinct_distances[:, :wide]
        narrow_i = None if self.distinct_indices is None else self.distinct_indices[:, :wide]
        distances, indices = self.distances[:, :k].copy(), self.indices[:, :k].copy()
        return NeighborGraph(distances, indices, ties, self.point, narrow, narrow_i, self.groups)

    def _narrowest(self, k: int) -> int:
        """Places of the lists of points that hold ``k`` neighbours and, with groups, two groups."""
        if self.distinct_indices is None or self.unit_ranks is None:
            return k
        return max(k, int((self.unit_ranks < 2).sum(axis=1).max()) + 1)

    def packed(self) -> dict[str, Points]:
        """Return the graph as plain arrays, for a store."""
        rows = sorted(self.ties)
        flat = [self.ties[row] for row in rows]
        packed: dict[str, Points] = {
            "distances": self.distances,
            "indices": self.indices,
            "point": self.point,
            "tie_rows": np.repeat(np.array(rows, dtype=np.int64), [len(t) for t in flat]),
            "tie_indices": np.concatenate([np.zeros(0, dtype=np.int64), *flat]),
        }
        if self.groups is not None:
            packed["groups"] = self.groups
        lists_differ = self.n_distinct < self.n or self.groups is not None
        if lists_differ and self.distinct_distances is not None:
            packed["distinct_distances"] = self.distinct_distances
            packed["distinct_indices"] = np.asarray(self.distinct_indices)
        packed["grouped"] = np.array([self.distinct_distances is None], dtype=np.int64)
        return packed

    @classmethod
    def unpacked(cls, packed: Mapping[str, Points]) -> NeighborGraph:
        """Return the graph that :meth:`packed` took apart."""
        rows, members = packed["tie_rows"], packed["tie_indices"]
        tied, starts = np.unique(rows, return_index=True)
        parts = np.split(members, starts[1:]) if len(tied) else []
        ties = dict(zip(tied.tolist(), parts, strict=True))
        distances, indices, groups = packed["distances"], packed["indices"], packed.get("groups")
        if packed["grouped"][0]:
            return cls(distances, indices, ties, packed["point"], None, None, groups)
        return cls(
            distances,
            indices,
            ties,
            packed["point"],
            packed.get("distinct_distances", distances),
            packed.get("distinct_indices", indices),
            groups,
        )


def neighbor_graph(
    X: object,
    k: int = 64,
    *,
    inputs: object = None,
    groups: object = None,
    exclude: object = None,
    progress: Progress | None = None,
    device: str | None = None,
) -> NeighborGraph:
    """Return the exact k nearest other rows of every row.

    Parameters
    ----------
    X : array_like, shape (n, D)
        Points; float32 or float64 are used as they are. Neither centring nor scaling is needed.
        A torch tensor on an accelerator is searched there.
    k : int, 1 .. n-1
        Neighbours per row.
    inputs : sequence of n str, optional
        A key for the input that each row came from; rows with equal keys are the same point even
        if batching left them a rounding apart.
    groups : sequence of n labels, optional
        Rows of one group are no independent samples (tokens of a sequence, sequences of a
        cluster): they are not neighbours of each other, and every error made from the graph takes
        the group as the sampling unit. A row whose group is missing (None, NaN, "") is a group of
        its own; groups of one row each are no groups.
    exclude : sequence of n labels, optional
        Rows of one class are not neighbours either, but count as independent (the family under a
        superfamily label). Such a graph serves :func:`label_overlap`; it has no dimension.
    progress : callable(done, total), optional
        Called after each block of rows.
    device : "cpu", "cuda", "cuda:N" or "mps", optional
        Where to search; by default where ``X`` lies. ``mps`` has been tried on no machine yet.

    Returns
    -------
    NeighborGraph
        The same bits for any number of threads. On an accelerator the same neighbours and ties;
        distances may differ in the last bits (1e-15 relative).

    Raises
    ------
    InputError
        If ``X`` is not a finite matrix, its distances exceed the range of float64, ``k`` is not
        below the number of rows, all rows are of one group, or ``device`` is not here.
    DegenerateError
        If all rows are the same point.

    Warns
    -----
    GeometryWarning
        If the accelerator failed or ran out of memory, so that the CPU did the search, or if more
        than half of the rows had to be finished there.

    Notes
    -----
    Candidates come from a blocked matrix product of the shifted points, with a proven bound;
    distances of the chosen pairs are float64 direct differences, so that large common offsets and
    massive coordinates cost no digits. Cost: one N × D × N product and N k direct distances;
    memory: the shifted copy and 20 MB of blocks. With groups and repeated rows there are two
    searches: distinct points are neighbours if some of their rows are of different groups.

    Examples
    --------
    >>> import numpy as np
    >>> g = neighbor_graph(np.array([[0.0], [1.0], [3.0], [7.0]]), k=2)
    >>> g.indices.tolist()
    [[1, 2], [0, 2], [1, 0], [2, 1]]
    >>> g.distances[3].tolist()
    [4.0, 6.0]
    """
    cloud = _search.cloud(X, device)
    point_search.refuse_overflow(cloud)
    n = len(cloud)
    k = arrays.count(k, "k", 1)
    if k >= n:
        raise InputError(f"k is {k} but X has {n} samples; k must be at most {n - 1}.")
    codes = None if groups is None else group_codes(groups, n)
    if exclude is not None:
        own = own_where_missing(arrays.labels(exclude, n, "exclude"))
        return _graph_without(cloud, k, own, codes, progress)
    told = point_search.points_told(cloud, inputs)
    if codes is not None:
        return _graph_of_groups(cloud, k, told, codes, progress)
    point, found = point_search.distinct_search(cloud, k, told, progress)
    lists = found if point[-1] == n - 1 else duplicates.expand(found, point, k)
    return NeighborGraph(
        lists.distances, lists.indices, lists.ties, point, found.distances, found.indices
    )


def _graph_of_groups(
    cloud: Cloud, k: int, told: IntArray, groups: IntArray, progress: Progress | None
) -> NeighborGraph:
    point, found = point_search.distinct_search(cloud, k, told, progress, groups)
    lists = found if point[-1] == len(cloud) - 1 else cloud.search(k, groups, progress)
    points = point_search.until_two_units(cloud, found, point, groups)
    distances, indices = (None, None) if points is None else points
    return NeighborGraph(
        lists.distances, lists.indices, lists.ties, point, distances, indices, groups
    )


def _graph_without(
    cloud: Cloud, k: int, exclude: IntArray, groups: IntArray | None, progress: Progress | None
) -> NeighborGraph:
    classes = [exclude] if groups is None else [groups, exclude]
    found = point_search.outside(cloud, k, classes, progress)
    everyone = np.arange(len(cloud))
    graph = NeighborGraph(found.distances, found.indices, found.ties, everyone, None, None, groups)
    return graph.nearest(k)
