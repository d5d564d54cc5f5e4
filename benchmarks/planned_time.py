"""The time that `layergeom plan` says against the time that the run then takes.

    python -m benchmarks.planned_time MODEL DATA [MODEL DATA ...] [--rows 2000,10000]

Every case is planned, then extracted and measured in the same process; seconds by the clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from benchmarks import records
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.tasks.timing import timing


def case(model: str, data: str, rows: int) -> records.Record:
    """Plan a case and run it."""
    samples, settings = read_samples(data, max_samples=rows), Settings()
    told = timing(model, samples, settings, device="cpu")
    hidden, forward = _took(lambda: extract(model, samples, device="cpu"))
    _, geometry = _took(lambda: measure(hidden, settings=settings))
    return {
        "model": hidden.provenance["model"].rpartition("/")[2],
        "rows": len(samples),
        "planned": {
            "forward": told.load + told.forward,
            "geometry": told.search + told.geometry + told.comparison,
        },
        "taken": {"forward": forward, "geometry": geometry},
        "ratio": (told.total()) / (forward + geometry),
    }


def _took(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def main() -> None:
    """Measure, print, and add a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="+", help="MODEL DATA pairs")
    parser.add_argument("--rows", default="2000,10000")
    given = parser.parse_args()
    found = [
        case(model, data, int(rows))
        for model, data in zip(given.places[::2], given.places[1::2], strict=True)
        for rows in given.rows.split(",")
    ]
    for one in found:
        print(one)
    facts = {"time": records.now(), "job": "planned_time", "machine": records.machine()}
    records.append(
        records.FOLDER / "planned_time.jsonl",
        facts | {"versions": records.versions(), "cases": found},
    )


if __name__ == "__main__":
    main()
