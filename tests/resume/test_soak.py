"""A small pipeline, again and again, under whatever may happen to it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_disk import failing
from pipelines import Pipeline, left, numbers
from runs import ROWS

from layergeom import api
from layergeom.errors import StoreError

REPETITIONS = 200
SETTLED = 20  # repetitions until caches are full
GROWTH = 8 << 10  # kB of the process, over all later repetitions
LONGEST = 0.5  # seconds
CALLS = 400  # that change the disk, about, in a whole run
Rng = np.random.Generator


def kill(pipeline: Pipeline, out: Path, rng: Rng) -> None:
    run = pipeline.start(out)
    time.sleep(rng.uniform(0, LONGEST))
    run.signal(signal.SIGKILL)
    run.ended()


def die(pipeline: Pipeline, out: Path, rng: Rng) -> None:
    pipeline.start(out, die_at=int(rng.integers(CALLS))).ended()


def stop(pipeline: Pipeline, out: Path, rng: Rng) -> None:
    run = pipeline.start(out, pause=0.01)
    time.sleep(rng.uniform(0.1, LONGEST))
    run.signal(rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]))
    run.ended()


def two(pipeline: Pipeline, out: Path, rng: Rng) -> None:
    runs = [pipeline.start(out, f"log-{number}") for number in range(2)]
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, LONGEST))
        runs[0].signal(signal.SIGKILL)
    for run in runs:
        run.ended()


def fail(pipeline: Pipeline, out: Path, rng: Rng) -> None:
    """In this process, where memory may grow."""
    disk = failing(int(rng.integers(CALLS)), full=bool(rng.random() < 0.3))
    with disk, contextlib.suppress(StoreError):
        profiled(pipeline, out)


def damage(pipeline: Pipeline, out: Path, rng: Rng) -> None:
    """Flip a bit of a file, cut it or delete it.

    A manifest must be deleted by hand; lists are read again where there is no profile of them.
    """
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.stat().st_size)
    if not files:
        return
    file = files[rng.integers(len(files))]
    data, place = bytearray(file.read_bytes()), int(rng.integers(file.stat().st_size))
    data[place] ^= 1 << int(rng.integers(8))
    how = rng.choice(["flip", "cut", "delete"])
    if file.name.startswith("neighbors"):
        (out / "profile.json").unlink(missing_ok=True)
    if how == "delete" or file.name == "manifest.json":
        file.unlink()
    else:
        file.write_bytes(data if how == "flip" else data[:place])


HARMS: list[Callable[[Pipeline, Path, Rng], None]] = [kill, die, stop, two, fail, damage]


def profiled(pipeline: Pipeline, out: Path) -> None:
    texts = pipeline.place / "texts.txt"
    api.profile(pipeline.place / "model", texts, k=5, batch_size=5, folder=out)


def memory() -> int:
    """Memory of this process that is no file's, kB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::layergeom.errors.StoreWarning")
def test_200_pipelines_end_as_if_nothing_had_happened(
    pipeline: Pipeline, whole: Any, tmp_path: Path
) -> None:
    rng, held = np.random.default_rng(0), []
    for repetition in range(REPETITIONS):
        out = tmp_path / f"{repetition}"
        chosen = [HARMS[number] for number in rng.integers(len(HARMS), size=rng.integers(1, 4))]
        for harm in chosen:
            harm(pipeline, out, rng)
        end = pipeline.start(out).ended()
        told = f"repetition {repetition}: {[harm.__name__ for harm in chosen]}: {end.err}"
        assert end.code == 0, told
        assert end.fed <= ROWS
        assert numbers(out) == whole, told
        assert left(out) == [], told
        again = pipeline.start(out).ended()
        assert (again.code, again.fed) == (0, 0), told
        held.append(memory())
        (pipeline.place / "soak").write_text(f"{repetition + 1} of {REPETITIONS}\n")
    assert held[-1] - held[SETTLED] < GROWTH
