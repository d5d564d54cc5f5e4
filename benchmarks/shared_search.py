"""The neighbours of one layer by several processes: scaling, overhead, and a million points.

    python -m benchmarks.shared_search                     # 100,000 x 128: 1 and 2 processes
    python -m benchmarks.shared_search --rows 1000000 --once

Every process has one thread. In turn the plain path, one worker and several search the same layer
of a store; the lists are compared before times are written. `--once` runs the several alone, with
what `layergeom plan` predicts for them written down beforehand.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import records
from layergeom.arrays import Points
from layergeom.geometry import search_memory
from layergeom.layer import Settings, layer_graph
from layergeom.states.hidden import HiddenStates
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.timing import search_seconds
from layergeom.workers import Workers

LAYER = "layer"
REPEATS = 3


def points(rows: int, width: int, latent: int = 12) -> Points:
    """Points near a curved surface in ``width`` dimensions, float32."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((latent, 4 * latent)).astype(np.float32)
    second = rng.standard_normal((4 * latent, width)).astype(np.float32)
    X = np.empty((rows, width), dtype=np.float32)
    for start in range(0, rows, 1 << 16):
        part = slice(start, min(start + (1 << 16), rows))
        drawn = rng.standard_normal((part.stop - start, latent), dtype=np.float32)
        X[part] = np.tanh(drawn @ first) @ second
        X[part] += 0.01 * rng.standard_normal(X[part].shape, dtype=np.float32)
    return X


def alone(hidden: HiddenStates, settings: Settings) -> tuple[dict[str, Points], float]:
    """Search with the plain call; returns the lists and the seconds by the clock."""
    return _searched(hidden, settings, None)


def _searched(
    hidden: HiddenStates, settings: Settings, workers: Workers | None
) -> tuple[dict[str, Points], float]:
    start = time.perf_counter()
    graph = layer_graph(hidden, LAYER, hidden[LAYER], settings, workers=workers)
    return graph.packed(), time.perf_counter() - start


def forgotten(hidden: HiddenStates, folder: Path) -> HiddenStates:
    """Return the states with an empty store for lists."""
    shutil.rmtree(folder, ignore_errors=True)
    return replace(hidden, store=Store(folder))


def pool(number: int) -> ProcessPoolExecutor:
    """Return processes that have imported what they need."""
    executor = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))
    list(executor.map(_ready, range(number)))
    return executor


def _ready(_: int) -> None:
    import layergeom.layer.shared_search  # noqa: F401

    time.sleep(1.0)  # so that every process gets one


def scaling(hidden: HiddenStates, settings: Settings, number: int, place: Path) -> records.Record:
    """Search in turn in this process, by one worker, and by several; the lists must be equal."""
    took: dict[str, list[float]] = {"plain": [], "1": [], str(number): []}
    wanted = None
    with pool(1) as one, pool(number) as several:
        for _ in range(REPEATS):
            for name, workers in (
                ("plain", None),
                ("1", Workers(one, 1)),
                (str(number), Workers(several, number)),
            ):
                lists, seconds = _searched(forgotten(hidden, place / "lists"), settings, workers)
                wanted = lists if wanted is None else wanted
                assert all(np.array_equal(lists[key], array) for key, array in wanted.items())
                took[name].append(seconds)
    medians = {name: statistics.median(times) for name, times in took.items()}
    return {
        "seconds": took,
        "speed_up": medians["plain"] / medians[str(number)],
        "overhead": medians["1"] / medians["plain"] - 1,
    }


def once(hidden: HiddenStates, settings: Settings, number: int, place: Path) -> records.Record:
    """Predict the time of a plain search, and search once by several workers."""
    n, width = hidden[LAYER].shape
    told = {
        "seconds": search_seconds(n, width, settings.ranks),
        "bytes": search_memory(n, width, settings.ranks),
    }
    with pool(number) as several:
        _, seconds = _searched(
            forgotten(hidden, place / "lists"), settings, Workers(several, number)
        )
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"planned_by_one": told, "seconds": seconds, "largest_worker_bytes": largest}


def main() -> None:
    """Measure, print, and add a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    settings = Settings(ranks=given.ranks)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / f"{LAYER}.npy", points(given.rows, given.width))
        hidden = stored_states(Path(folder) / f"{LAYER}.npy")
        measured = (once if given.once else scaling)(hidden, settings, given.workers, Path(folder))
    facts = {"time": records.now(), "job": "shared_search", "machine": records.machine()}
    facts |= {"versions": records.versions(), "case": vars(given), "found": measured}
    print(measured)
    records.append(records.FOLDER / "shared_search.jsonl", facts)


if __name__ == "__main__":
    os.environ |= dict.fromkeys(records.THREADS, "1")  # of every process
    main()
