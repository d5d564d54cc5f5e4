"""Recall of approximate neighbours, what it does to dimensions and overlaps, and when it pays.

    OMP_NUM_THREADS=1 python -m calibration.approximate                        # known dimensions
    OMP_NUM_THREADS=1 python -m calibration.approximate --states MODEL DATA    # tokens of proteins
    OMP_NUM_THREADS=1 python -m calibration.approximate --rows 300000 1000000 --sets curved
    python -m calibration.approximate --page                                   # the tables

All neighbours are searched in both ways and compared, row by row; dimensions are those of all rows.
Times are CPU seconds of the lists alone, with one thread. The sample that a run would draw is
drawn too: its interval should hold the recall over all rows.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import layergeom as lg
from benchmarks import records
from benchmarks.shared_search import points
from calibration.approximate_page import JOB, RANKS, RECORDS, tables
from layergeom.arrays import Points
from layergeom.geometry.approximate import ApproximatePoints
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.recall import measured_recall

WIDTH = 128
K = 64  # listed
COMPARED = 30  # by the overlap
SIZES = (20_000, 100_000)
DIMENSIONS = (2, 5, 10, 20)


def gaussian(n: int, d: int) -> Points:
    """Gaussian of dimension d, rotated into WIDTH dimensions, float32."""
    rng = np.random.default_rng([n, d])
    frame = np.linalg.qr(rng.standard_normal((WIDTH, d)))[0].astype(np.float32)
    X: Points = rng.standard_normal((n, d), dtype=np.float32) @ frame.T
    return X


def ball(n: int, d: int) -> Points:
    """Uniform ball of dimension d, rotated likewise."""
    X = gaussian(n, d)
    radius = np.random.default_rng(n + d).random((n, 1)) ** (1 / d)
    X *= radius / np.linalg.norm(X, axis=1, keepdims=True)
    return X


def curved(n: int, _: int) -> Points:
    """Points near a curved surface of 12 dimensions, as the benchmarks take them."""
    return points(n, WIDTH)


SETS: dict[str, tuple[Callable[[int, int], Points], tuple[int, ...]]] = {
    "ball": (ball, DIMENSIONS),
    "gaussian": (gaussian, (*DIMENSIONS, WIDTH)),
    "curved": (curved, (12,)),
}


def neighbour_layer(X: Points) -> Points:
    """Another layer of the same rows: a smooth map of them with some noise of its own."""
    rng = np.random.default_rng(7)
    mixed = X @ rng.standard_normal((X.shape[1], X.shape[1])).astype(np.float32)
    mixed /= mixed.std()
    return np.asarray(np.tanh(mixed) + 0.05 * rng.standard_normal(X.shape), dtype=np.float32)


def searched(X: object) -> tuple[NeighborGraph, float]:
    """Return the neighbour graph and the CPU seconds that it took."""
    start = time.process_time()
    graph = lg.neighbor_graph(X, K)
    return graph, time.process_time() - start


def compared(X: Points, other: Points | None) -> records.Record:
    """Search in both ways, and compare lists, dimensions, and the overlap with another layer."""
    exact, exact_seconds = searched(X)
    listed, seconds = searched(ApproximatePoints(X))
    kth = exact.points[0][:, -1:]
    right = listed.points[0] <= kth * (1 + 1e-12)
    two = (listed.points[1][:, :2] == exact.points[1][:, :2]).all(axis=1)
    start = time.process_time()
    told = measured_recall(X, listed)
    found: dict[str, Any] = {
        "exact_seconds": exact_seconds,
        "seconds": seconds,
        "sample_seconds": time.process_time() - start,
        "recall": float(right.mean()),
        "nearest_two": float(two.mean()),
        "told": [told.value, told.low, told.high],
        "told_biases": dict(zip(map(str, told.ranks), told.biases, strict=True)),
        "dimensions": {str(n1): lg.gride(exact, n1).value for n1 in RANKS},
        "errors": {str(n1): lg.gride(exact, n1).error for n1 in RANKS},
        "biases": {
            str(n1): lg.gride(listed, n1).value / lg.gride(exact, n1).value - 1 for n1 in RANKS
        },
    }
    if other is not None:
        graphs = [searched(other)[0], searched(ApproximatePoints(other))[0]]
        pairs = ((exact, graphs[0]), (listed, graphs[1]))
        found["overlap"] = [lg.neighborhood_overlap(a, b, COMPARED).value for a, b in pairs]
    return found


def cases(names: list[str], sizes: list[int]) -> Iterator[tuple[records.Record, Points]]:
    """Yield the sets of known dimension with what they are."""
    for n in sizes:
        for name in names:
            draw, dimensions = SETS[name]
            for d in dimensions:
                yield {"name": name, "d": d, "rows": n, "width": WIDTH}, draw(n, d)


def token_cases(
    model: str, data: str, rows: int
) -> Iterator[tuple[records.Record, Points, Points | None]]:
    """Yield token states of a model, layer by layer, each with the next that is taken."""
    hidden = lg.extract(model, data, pool="token", max_tokens=rows, max_samples="all")
    last = hidden.layers[-2] if hidden.layers[-1] == "final" else hidden.layers[-1]
    keys = ["block_1", f"block_{int(last.removeprefix('block_')) // 2}", last]
    kept = [np.array(hidden[key]) for key in keys]
    for at, (key, X) in enumerate(zip(keys, kept, strict=True)):
        case = {"name": key, "rows": len(X), "width": X.shape[1], "model": "protein LM"}
        yield case, X, kept[at + 1] if at + 1 < len(kept) else None


def keep(case: records.Record, found: records.Record) -> None:
    """Add a record."""
    facts = {"time": records.now(), "job": JOB, "machine": records.machine()}
    facts |= {"versions": records.versions(), "case": case | {"k": K}, "found": found}
    print(case, found, flush=True)
    records.append(RECORDS, facts)


def main() -> None:
    """Measure and keep, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--states", nargs=2, metavar=("MODEL", "DATA"))
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    if given.page:
        print(tables(records.read([RECORDS])))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lg.errors.GeometryWarning)
        if given.states is not None:
            model, data = given.states
            for rows in given.rows:
                for case, X, other in token_cases(model, data, rows):
                    keep(case, compared(X, other))
        else:
            for case, X in cases(given.sets, given.rows):
                both = case["name"] == "curved" and case["rows"] <= max(SIZES)
                keep(case, compared(X, neighbour_layer(X) if both else None))


if __name__ == "__main__":
    main()
