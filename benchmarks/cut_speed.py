"""How fast a full and a cut model read the same texts, by the processor's own time.

    python -m benchmarks.cut_speed FULL TEXTS CUT [CUT ...] [--record FILE]

What `layergeom truncate` measures by the clock (medians of seven paired timings of forward passes,
after one that is not timed), with the processor's time and one thread, so that what else the
machine does hardly enters.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import records
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.tasks.cut_check import TIMED, rows_of, speed

RECORD = records.FOLDER / "cut_speed.jsonl"


def main(arguments: list[str]) -> None:
    """Time every cut model against the full one, and append the record."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    for name in ("full", "texts"):
        parser.add_argument(name, type=Path)
    parser.add_argument("cut", type=Path, nargs="+")
    parser.add_argument("--record", type=Path, default=RECORD)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    full = load(str(given.full), device="cpu")
    samples = read_samples(given.texts, text_column="text", max_samples=TIMED)
    rows = rows_of(full, samples)
    found = {}
    for place in given.cut:
        cut = load(str(place), device="cpu")
        found[place.name] = asdict(speed(full, cut, rows, clock=time.process_time))
        print(place.name, found[place.name], flush=True)
    record = {
        "job": "cut_speed",
        "time": records.now(),
        "model": given.full.name,
        "clock": "process time, one thread",
        "cuts": found,
        "versions": {name: records.version(name) for name in ("layergeom", "torch")},
        "machine": records.machine(),
    }
    records.append(given.record, record)


if __name__ == "__main__":
    main(sys.argv[1:])
