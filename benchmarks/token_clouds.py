"""Clouds of sequences per second and core, overlaps included, by one process and by several.

    python -m benchmarks.token_clouds MODEL TEXTS             # 400 sequences of 200 to 1,000 tokens
    python -m benchmarks.token_clouds MODEL TEXTS --profile    # and where the time goes

Every process has one thread. TEXTS is one running text, of which sequences of random lengths are
cut, none longer than the model reads. In turn this process, one worker and several measure the same
sequences; the clouds are compared before times are written. The speed-up on free cores is the CPU
time of one process over that of this process and its busiest worker together.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import multiprocessing
import os
import pstats
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import records
from layergeom.arrays import IntArray
from layergeom.tasks.token_clouds import TokenClouds, token_clouds
from layergeom.workers import Workers

REPEATS = 3
SHOWN = 12  # functions of the profile


def sequences(model: str, texts: Path, number: int, low: int, high: int) -> list[IntArray]:
    """Cut a running text into token sequences whose lengths are uniform from low to high."""
    from transformers import AutoConfig, AutoTokenizer

    limit = getattr(AutoConfig.from_pretrained(model), "max_position_embeddings", high)
    low, high = min(low, limit // 2), min(high, limit)
    rng = np.random.default_rng(0)
    lengths = rng.integers(low, high + 1, number)
    words = texts.read_text(encoding="utf-8").split()
    per_word = len(AutoTokenizer.from_pretrained(model)(" ".join(words[:2000]))["input_ids"]) / 2000
    taken = " ".join(words[: int(1.1 * lengths.sum() / per_word)])
    tokens = np.array(AutoTokenizer.from_pretrained(model)(taken)["input_ids"])
    ends = np.cumsum(lengths)
    if ends[-1] > len(tokens):
        raise SystemExit(f"the text has {len(tokens)} tokens, but {ends[-1]} are wanted")
    return [tokens[end - size : end] for end, size in zip(ends, lengths, strict=True)]


def measured(
    model: str, rows: list[IntArray], k: int, workers: Workers | None
) -> tuple[TokenClouds, float, float]:
    """Measure clouds once; returns them, the seconds by the clock, and this process's own."""
    with tempfile.TemporaryDirectory() as place:
        start, own = time.perf_counter(), time.process_time()
        found = token_clouds(model, rows, k=k, folder=place, executor=workers)
        return found, time.perf_counter() - start, time.process_time() - own


def pool(number: int) -> ProcessPoolExecutor:
    """Return processes that have imported what they need."""
    executor = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))
    list(executor.map(_ready, range(number)))
    return executor


def _ready(_: int) -> None:
    import transformers

    import layergeom.tasks.cloud_pieces  # noqa: F401

    transformers.AutoModelForCausalLM  # noqa: B018
    time.sleep(1.0)  # so that every process gets one


def spent(executor: ProcessPoolExecutor) -> dict[int, float]:
    """CPU seconds of each process of a pool so far."""
    tick = os.sysconf("SC_CLK_TCK")
    stats = {pid: Path(f"/proc/{pid}/stat").read_text() for pid in executor._processes}
    return {pid: sum(map(int, line.split()[13:15])) / tick for pid, line in stats.items()}


def by_pool(
    model: str, rows: list[IntArray], k: int, executor: ProcessPoolExecutor
) -> tuple[TokenClouds, float, float, list[float]]:
    """Measure clouds by the processes of a pool; also returns the CPU seconds of each."""
    before = spent(executor)
    found = measured(model, rows, k, Workers.of(executor))
    return *found, [seconds - before[pid] for pid, seconds in spent(executor).items()]


def scaling(model: str, rows: list[IntArray], k: int, number: int) -> records.Record:
    """Measure in turn in this process, by one worker, and by several; clouds must be equal."""
    clock: dict[str, list[float]] = {"plain": [], "1": [], str(number): []}
    cpu: dict[str, list[float]] = {"plain": [], "1": [], str(number): []}
    busiest: list[float] = []
    wanted, *_ = measured(model, rows, k, None)
    with pool(1) as one, pool(number) as several:
        for name, executor in (("1", one), (str(number), several)) * REPEATS:
            found, seconds, own = measured(model, rows, k, None)
            clock["plain"].append(seconds)
            cpu["plain"].append(own)
            assert repr(found) == repr(wanted)
            found, seconds, own, each = by_pool(model, rows, k, executor)
            clock[name].append(seconds)
            cpu[name].append(own + sum(each))
            busiest += [own + max(each)] if executor is several else []
            assert repr(found) == repr(wanted)
    median = {name: statistics.median(times) for name, times in cpu.items()}
    return {
        "layers": len(wanted.layers),
        "seconds": clock,
        "cpu_seconds": cpu,
        "clouds_per_second_and_core": len(rows) / median["plain"],
        "overhead_of_a_worker": median["1"] / median["plain"] - 1,
        "overhead_of_several": median[str(number)] / median["plain"] - 1,
        "speed_up_on_free_cores": median["plain"] / statistics.median(busiest),
    }


def profiled(model: str, rows: list[IntArray], k: int) -> list[tuple[str, float]]:
    """Return the functions that take most seconds with what they call, and their shares."""
    measured(model, rows[:4], k, None)
    profile = cProfile.Profile()
    profile.runcall(measured, model, rows, k, None)
    stats = pstats.Stats(profile, stream=io.StringIO())
    own = [
        (f"{Path(file).stem}.{name}", entry[2])
        for (file, _, name), entry in stats.stats.items()  # type: ignore[attr-defined]
    ]
    total = sum(seconds for _, seconds in own)
    most = sorted(own, key=lambda entry: -entry[1])[:SHOWN]
    return [(name, round(seconds / total, 3)) for name, seconds in most]


def main() -> None:
    """Measure, print, and add a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--number", type=int, default=400)
    parser.add_argument("--tokens", type=int, nargs=2, default=(200, 1000))
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    rows = sequences(given.model, given.texts, given.number, *given.tokens)
    found = scaling(given.model, rows, given.k, given.workers)
    if given.profile:
        found["profile"] = profiled(given.model, rows[:60], given.k)
    lengths = [len(row) for row in rows]
    case = {"number": given.number, "k": given.k, "workers": given.workers}
    case |= {"model": Path(given.model).name, "lengths": [min(lengths), max(lengths)]}
    case |= {"tokens": sum(lengths)}
    facts = {"time": records.now(), "job": "token_clouds", "machine": records.machine()}
    facts |= {"versions": records.versions(), "case": case, "found": found}
    print(found)
    records.append(records.FOLDER / "token_clouds.jsonl", facts)


if __name__ == "__main__":
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

    os.environ |= dict.fromkeys(records.THREADS, "1")  # of every other process
    torch.set_num_threads(1)
    with threadpool_limits(1):
        main()
