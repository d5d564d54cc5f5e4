"""Approximate neighbours, for clouds beyond the reach of the exact search; asked for by name only.

A graph index of faiss (HNSW: Malkov & Yashunin, TPAMI 42, 2020) proposes candidates. Their
distances are measured again in float64 on the rows as they came, so that what is listed has the
distances that the exact search would list for it; what is missing is measured by
:mod:`layergeom.geometry.recall`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from layergeom import arrays
from layergeom.arrays import Float32Array, IntArray
from layergeom.errors import InputError
from layergeom.geometry import _compiled, _plain
from layergeom.geometry._found import Found, Progress
from layergeom.geometry._search import Cloud

WAY = "approximate, HNSW of faiss (float64 distances, recall measured)"
LINKS = 32  # of a point to others on the lowest floor of the index: half of them
BUILT = 64  # candidates looked at when a point is added
LOOKED = 1.5  # times the wanted neighbours: candidates looked at when it asks
SPARE = 8  # candidates that are measured beyond k: float32 may have put them in another order
BLOCK = 1 << 13  # rows that are added, or ask, together


class ApproximatePoints(Cloud):
    """Points whose neighbours are searched through an index; :func:`neighbor_graph` takes them.

    Parameters
    ----------
    rows : array_like, shape (n, D)
        As of :func:`layergeom.neighbor_graph`.

    Raises
    ------
    InputError
        If ``rows`` is not a finite matrix; on searching, if faiss is not installed.

    Notes
    -----
    A neighbour may be missing: :func:`layergeom.geometry.recall.measured_recall` says how many.
    Rows of which the index lists fewer than k admissible ones, as where many rows are of one group,
    are searched exactly. With several threads the index, and so the lists, differ from run to run
    in a few places. Memory: 4 D + 300 bytes a row. Cost: about n log n, at some ten times the cost
    of a pair of the exact search (docs/explanation/approximate_neighbors.md says from where on it
    pays).

    Examples
    --------
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).standard_normal((500, 4))
    >>> found, exact = neighbor_graph(ApproximatePoints(X), 10), neighbor_graph(X, 10)
    >>> bool((found.indices == exact.indices).mean() > 0.98)
    True
    """

    def __init__(self, rows: object) -> None:
        super().__init__(arrays.points(rows))

    def take(self, rows: IntArray) -> Cloud:
        """Return the cloud of some rows, ascending; itself if they are all."""
        return self if len(rows) == len(self) else ApproximatePoints(self.rows[rows])

    def search(self, k: int, groups: IntArray | None, progress: Progress | None = None) -> Found:
        """Return the ``k`` nearest of the rows that the index proposes."""
        n = len(self)
        cloud, left = _plain.Cloud(self.host, groups), []
        found = Found(np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.int64), {})
        for start, proposed in _proposed(cloud, _wanted(k, groups, n)):
            for row, others in enumerate(proposed, start):
                candidates = _admissible(row, others, groups)
                if len(candidates) < k:
                    left.append(row)
                else:
                    distances = cloud.distances(row, candidates)
                    _plain._settle(found, row, candidates, distances)
            if progress is not None:
                progress(start + len(proposed), n)
        if left:
            _plain.settle(self.host, groups, np.array(left), found, None)
        return found


def _wanted(k: int, groups: IntArray | None, n: int) -> int:
    """Candidates of a row: itself, k others and a few to spare, and room for its own group."""
    own = 0 if groups is None else min(k, int(np.bincount(groups).max()) - 1)
    return min(n, 1 + k + SPARE + own)


def _admissible(row: int, others: IntArray, groups: IntArray | None) -> IntArray:
    others = others[(others >= 0) & (others != row)]
    return others if groups is None else others[groups[others] != groups[row]]


def _proposed(cloud: _plain.Cloud, wanted: int) -> Iterator[tuple[int, IntArray]]:
    """Yield the candidates of some rows at a time: number of the first, and (b, wanted)."""
    faiss, starts = faiss_module(), range(0, len(cloud.X), BLOCK)
    with _as_many_threads(faiss):
        index = faiss.IndexHNSWFlat(cloud.X.shape[1], LINKS)
        index.hnsw.efConstruction = BUILT
        index.hnsw.efSearch = int(LOOKED * wanted)
        for start in starts:
            index.add(_single(cloud, start))
        for start in starts:
            _, listed = index.search(_single(cloud, start), wanted)
            yield start, listed


def _single(cloud: _plain.Cloud, start: int) -> Float32Array:
    """Rows in float32, shifted and scaled, so that a common offset costs no digits."""
    return cloud.centred(cloud.X[start : start + BLOCK]).astype(np.float32)


@contextmanager
def _as_many_threads(faiss: Any) -> Iterator[None]:
    """Let the index use as many threads as the exact search would."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(_compiled.threads())
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def faiss_module() -> ModuleType:
    """Return the library of the index; an InputError where it is not installed."""
    try:
        import faiss  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise InputError(
            "approximate neighbours need the package faiss-cpu; install layergeom[approximate], or "
            "search exactly, which is the default."
        ) from None
    found: ModuleType = faiss
    return found
