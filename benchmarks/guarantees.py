"""What the guarantees of the store cost: hashing, syncing and locking.

    python -m benchmarks.guarantees [--megabytes 256]

First the demo is run once (with its training, figures and report left out), and the time within
those functions is set against the whole: of the clock, and of the processor. Then one array is
stored as layers are, in turn with a plain write and fsync of the same bytes; medians of both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import records
from layergeom.states import durable, locks, sources, store, unfinished
from layergeom.states.store import Store
from layergeom.tasks.demo import demonstrate

REPEATS = 9
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "hashing": ((store, "file_digest"), (unfinished, "_digest"), (sources, "_digest")),
    "syncing": ((durable, "sync"),),
    "locking": ((locks, "_taken"), (durable, "sweep")),
}


@dataclass
class Spent:
    """Seconds by the clock and of the processor, and calls."""

    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0

    @contextmanager
    def added(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
            self.calls += 1


def _timed(call: Callable[..., Any], spent: Spent) -> Callable[..., Any]:
    def timed(*given: Any, **options: Any) -> Any:
        with spent.added():
            return call(*given, **options)

    return timed


@contextmanager
def watched() -> Iterator[dict[str, Spent]]:
    """Count the time within the functions of `PARTS`."""
    spent = {part: Spent() for part in PARTS}
    own = [(module, name, getattr(module, name)) for ps in PARTS.values() for module, name in ps]
    for part, places in PARTS.items():
        for module, name in places:
            setattr(module, name, _timed(getattr(module, name), spent[part]))
    try:
        yield spent
    finally:
        for module, name, call in own:
            setattr(module, name, call)


def shares() -> records.Record:
    """What part of the demo's time the guarantees take."""
    whole = Spent()
    with tempfile.TemporaryDirectory() as place, watched() as spent, whole.added():
        demonstrate(Path(place))
    found = {
        part: {
            "calls": each.calls,
            "wall_s": round(each.wall, 3),
            "cpu_s": round(each.cpu, 3),
            "wall_share": round(each.wall / whole.wall, 4),
            "cpu_share": round(each.cpu / whole.cpu, 4),
        }
        for part, each in spent.items()
    }
    return {"wall_s": round(whole.wall, 1), "cpu_s": round(whole.cpu, 1), "parts": found}


def _stored(place: Path, X: np.ndarray[Any, Any]) -> None:
    Store(place / "store").put("layer", {"states": X}, str(time.perf_counter()))


def _plain(place: Path, X: np.ndarray[Any, Any]) -> None:
    with (place / "plain").open("wb") as file:
        file.write(X.data)
        file.flush()
        os.fsync(file.fileno())


def speeds(megabytes: int) -> records.Record:
    """GB/s of the store, and of a plain write and fsync of the same bytes."""
    X = np.random.default_rng(0).standard_normal((megabytes * 250, 1000), dtype=np.float32)
    took: dict[str, list[float]] = {"store": [], "plain": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(REPEATS):
            X[0, 0] = number  # another content each time
            for name, write in (("store", _stored), ("plain", _plain)):
                start = time.perf_counter()
                write(Path(folder), X)
                took[name].append(time.perf_counter() - start)
    gigabytes = X.nbytes / 1e9
    return {
        "gigabytes": gigabytes,
        **{
            f"{name}_gb_per_s": round(gigabytes / statistics.median(ts), 3)
            for name, ts in took.items()
        },
    }


def main() -> None:
    """Measure, print, and add a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256)
    facts: records.Record = {
        "time": records.now(),
        "job": "guarantees",
        "machine": records.machine(),
    }
    facts |= {"versions": records.versions(), "demo": shares()}
    facts |= {"writing": speeds(parser.parse_args().megabytes)}
    records.append(records.FOLDER / "guarantees.jsonl", facts)
    for part, each in facts["demo"]["parts"].items():
        print(
            f"{part:<10}{each['wall_share']:.2%} of the clock, {each['cpu_share']:.2%} of the CPU"
        )
    print(facts["writing"])


if __name__ == "__main__":
    main()
