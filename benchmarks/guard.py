"""A small guard for the checks: cost ratios that must not grow unnoticed.

    python -m benchmarks.guard

Ratios of CPU times taken side by side hold on busy and on slow machines, where times do not.
The bounds are several times what was measured: they catch a lost order of magnitude, no more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from benchmarks import answers, cases, peers, timing
from layergeom import NeighborGraph, neighbor_graph, neighborhood_overlap

SEARCH_CASE = cases.Case("guard", "low_id", 3_000, 384, 30)
SEARCH_BOUND = 20.0  # × sgemm; the plain path takes about 5
OVERLAP_BOUND = 80.0  # × one sparse product; with ties, adjacency and its error about 23
ROUNDS = 3
REPEATS = 5  # calls per timing: a single one is near the clock's tick


@dataclass(frozen=True)
class Guard:
    """One ratio and its bound."""

    name: str
    ratio: float
    bound: float
    right: bool  # whether the answer was that of the reference

    @property
    def holds(self) -> bool:
        """Whether answer and ratio pass."""
        return self.right and self.ratio <= self.bound

    def __str__(self) -> str:
        """Return one line of the report."""
        told = "" if self.right else ", and the answer is WRONG"
        verdict = "holds" if self.holds else "FAILS"
        return f"{self.name}: {self.ratio:.1f} x (bound {self.bound:g}){told}: {verdict}"


def ratio(call: Callable[[], object], limit: Callable[[], object]) -> float:
    """Smallest CPU time of a call over the smallest of the limit, taken in turn."""
    mine, its = [], []
    for _ in range(ROUNDS):
        its.append(timing.measured(lambda: [limit() for _ in range(REPEATS)])[1].cpu_s)
        mine.append(timing.measured(call)[1].cpu_s * REPEATS)
    return min(mine) / max(min(its), 1e-6)


def search_guard() -> tuple[Guard, NeighborGraph]:
    """The neighbour search against the float32 product of the same points."""
    X, k = SEARCH_CASE.points(), SEARCH_CASE.k
    graph = neighbor_graph(X, k)
    found = answers.compare(answers.reference(X, k), (graph.distances, graph.indices), 1e-12)
    taken = ratio(lambda: neighbor_graph(X, k), lambda: peers.sgemm(X, k))
    return Guard("search / sgemm", taken, SEARCH_BOUND, found.agrees), graph


def overlap_guard(graph: NeighborGraph) -> Guard:
    """The overlap of two layers, with its error, against one sparse product."""
    X, k = SEARCH_CASE.points(), SEARCH_CASE.k
    other = neighbor_graph(np.tanh(X), k)
    a, b = members(graph), members(other)
    right = abs(neighborhood_overlap(graph, other, k).value - a.multiply(b).sum() / a.sum()) < 1e-12
    taken = ratio(lambda: neighborhood_overlap(graph, other, k), lambda: a.multiply(b).sum())
    return Guard("overlap / sparse product", taken, OVERLAP_BOUND, bool(right))


def members(graph: NeighborGraph) -> sp.csr_array:
    """Neighbourhoods as a plain matrix of ones; no ties are expected in the guard's clouds."""
    n, k = graph.indices.shape
    rows = np.repeat(np.arange(n), k)
    return sp.csr_array((np.ones(n * k), (rows, graph.indices.ravel())), shape=(n, n))


def main() -> int:
    """Print both ratios; 1 if one fails."""
    search, graph = search_guard()
    guards = (search, overlap_guard(graph))
    print("\n".join(str(guard) for guard in guards))
    return 0 if all(guard.holds for guard in guards) else 1


if __name__ == "__main__":
    sys.exit(main())
