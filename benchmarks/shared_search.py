"""Layers measured by several processes, and one neighbour search by several: scaling and overhead.

    python -m benchmarks.shared_search                     # 4 layers of 50,000 x 128, by layers
    python -m benchmarks.shared_search --layers 1 --rows 300000          # one, by pairs of rows
    python -m benchmarks.shared_search --layers 1 --rows 1000000 --width 64 --ranks 30 --once

Every process has one thread. In turn the plain path, one worker and several search (or with
`--whole` measure) the same layers of a store; the answers are compared before times are written.
`--once` runs the several alone, with what `layergeom plan` predicts written down beforehand.
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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import records
from layergeom.arrays import Points
from layergeom.geometry import search_memory
from layergeom.layer import Settings, layer_graph
from layergeom.measure import measure
from layergeom.states.hidden import HiddenStates, layer_piece, open_states, write_facts
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.timing import search_seconds
from layergeom.tasks.worker_runs import measure_by
from layergeom.workers import Workers

REPEATS = 3
TOLERANCE = 1e-6  # spectra differ by 3e-8 where this process has had more threads than a worker


def points(rows: int, width: int, seed: int = 0, latent: int = 12) -> Points:
    """Points near a curved surface in ``width`` dimensions, float32."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((latent, 4 * latent)).astype(np.float32)
    second = rng.standard_normal((4 * latent, width)).astype(np.float32)
    X = np.empty((rows, width), dtype=np.float32)
    for start in range(0, rows, 1 << 16):
        part = slice(start, min(start + (1 << 16), rows))
        drawn = rng.standard_normal((part.stop - start, latent), dtype=np.float32)
        X[part] = np.tanh(drawn @ first) @ second
        X[part] += 0.01 * rng.standard_normal(X[part].shape, dtype=np.float32)
    return X


def stored(folder: Path, layers: int, rows: int, width: int) -> HiddenStates:
    """Return states in a store, as an extraction would have left them."""
    keys = [f"block_{number}" for number in range(1, layers + 1)]
    files = {key: folder / f"{key}.npy" for key in keys}
    for seed, path in enumerate(files.values()):
        np.save(path, points(rows, width, seed))
    given = stored_states({key: np.load(path, mmap_mode="r") for key, path in files.items()})
    hidden, store = replace(given, load=None), Store(folder / "states")
    for key, path in files.items():
        store.put(layer_piece(key), {"states": np.load(path)}, hidden.key)
        path.unlink()
    write_facts(store, hidden)
    return replace(hidden, store=store)


Answer = dict[str, Any]


def searched(hidden: HiddenStates, settings: Settings, workers: Workers | None) -> Answer:
    """Return the neighbour lists of all layers."""
    if workers is not None and len(hidden.layers) >= workers.number:
        place = str(hidden.store.folder) if hidden.store is not None else ""
        pieces = [(place, hidden.key, layer, settings) for layer in hidden.layers]
        workers.each(search_layer, pieces, lambda *piece: f"the search of {piece[2]}")
        workers = None
    graphs = {
        key: layer_graph(hidden, key, partial(hidden.__getitem__, key), settings, workers=workers)
        for key in hidden.layers
    }
    return {f"{key}/{name}": a for key, g in graphs.items() for name, a in g.packed().items()}


def search_layer(folder: str, states: str, layer: str, settings: Settings) -> None:
    """Search a whole layer: what a worker does."""
    hidden = open_states(Store(folder), states)
    assert hidden is not None
    layer_graph(hidden, layer, hidden[layer], settings)


def measured(hidden: HiddenStates, settings: Settings, workers: Workers | None) -> Answer:
    """Return the curves of the profile."""
    if workers is not None:
        measure_by(workers, hidden, settings)
    found = measure(hidden, settings=settings)
    return {name: np.stack([c.values, c.errors]) for name, c in found.curves.items()}


def fresh(hidden: HiddenStates, folder: Path) -> HiddenStates:
    """Return the states in a store that holds nothing else."""
    assert hidden.store is not None
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(hidden.store.folder, folder, copy_function=os.link)
    return replace(hidden, store=Store(folder))


Work = Callable[[HiddenStates, Settings, Workers | None], Answer]


def pool(number: int) -> ProcessPoolExecutor:
    """Return processes that have imported what they need."""
    executor = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))
    list(executor.map(_ready, range(number)))
    return executor


def _ready(_: int) -> None:
    import layergeom.tasks.worker_runs  # noqa: F401

    time.sleep(1.0)  # so that every process gets one


def scaling(
    hidden: HiddenStates, settings: Settings, number: int, work: Work, place: Path
) -> records.Record:
    """Work in turn in this process, by one worker, and by several; the answers must be equal."""
    took: dict[str, list[float]] = {"plain": [], "1": [], str(number): []}
    wanted = None
    with pool(1) as one, pool(number) as several:
        hands = {"plain": None, "1": Workers(one, 1), str(number): Workers(several, number)}
        for _ in range(REPEATS):
            for name, workers in hands.items():
                states = fresh(hidden, place)
                start = time.perf_counter()
                answer = work(states, settings, workers)
                took[name].append(time.perf_counter() - start)
                wanted = answer if wanted is None else wanted
                for key, array in wanted.items():
                    np.testing.assert_allclose(answer[key], array, rtol=TOLERANCE, err_msg=key)
    medians = {name: statistics.median(times) for name, times in took.items()}
    return {
        "seconds": took,
        "speed_up": medians["plain"] / medians[str(number)],
        "overhead": medians["1"] / medians["plain"] - 1,
    }


def once(
    hidden: HiddenStates, settings: Settings, number: int, work: Work, place: Path
) -> records.Record:
    """Predict the time of a plain search, and search once by several workers."""
    n, width = hidden[hidden.layers[0]].shape
    told = {
        "seconds": search_seconds(n, width, settings.ranks),
        "bytes": search_memory(n, width, settings.ranks),
    }
    with pool(number) as several:
        start = time.perf_counter()
        work(fresh(hidden, place), settings, Workers(several, number))
        seconds = time.perf_counter() - start
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"planned_by_one": told, "seconds": seconds, "largest_worker_bytes": largest}


def main() -> None:
    """Measure, print, and add a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="measure, not search alone")
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    settings = Settings(ranks=given.ranks)
    with tempfile.TemporaryDirectory() as folder:
        hidden = stored(Path(folder), given.layers, given.rows, given.width)
        work = measured if given.whole else searched
        found = (once if given.once else scaling)(
            hidden, settings, given.workers, work, Path(folder) / "work"
        )
    facts = {"time": records.now(), "job": "shared_search", "machine": records.machine()}
    facts |= {"versions": records.versions(), "case": vars(given), "found": found}
    print(found)
    records.append(records.FOLDER / "shared_search.jsonl", facts)


if __name__ == "__main__":
    os.environ |= dict.fromkeys(records.THREADS, "1")  # of every process
    main()
