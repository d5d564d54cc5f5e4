"""What watching the layers costs: the same forward passes with and without it.

    python -m benchmarks.forward MODEL TEXTS [--rows 512]

Three ways of feeding the same batches, in turn and paired, medians of CPU time: the network alone;
our pass (every layer pooled in a hook and written to a store); the network with
``output_hidden_states=True``, each layer pooled afterwards, as one does by hand. The pooled states
of the second and third must be equal before any time is written. Peak memory is what a process of
its own allocates above what it had before; pages of the store's files, which are written through
memory maps and which the system takes back when it wants them, do not count.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import records, timing
from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import Batch, padded, planned
from layergeom.states.feeds import Feed, feeds
from layergeom.states.forward import Target, pass_plan, run
from layergeom.states.hooks import untouched
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.states.pooling import mean, widen
from layergeom.states.settings import Extraction
from layergeom.states.store import Store

REPEATS = 7
# glibc keeps freed memory for later; told so it gives every larger piece back at once.
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
Pooled = dict[str, np.ndarray]


def prepared(model: str, texts: str, rows: int) -> Feed:
    """Load the network and tokenise the texts, outside the clock."""
    torch.manual_seed(0)
    samples = read_samples(Path(texts), max_samples=rows)
    return feeds(load(model, device="cpu"), samples, [Extraction(pool="mean")])[0]


def fed(feed: Feed) -> list[Batch]:
    """Return the batches that every way is fed."""
    pad = getattr(feed.plan.loaded.tokenizer, "pad_token_id", None) or 0
    plan = pass_plan(feed.plan.loaded, None)
    return [padded(feed.sequences, rows, pad) for rows in planned(feed.sequences, **plan)]


def alone(feed: Feed) -> Pooled:
    """The network, and nothing else."""
    network = feed.plan.loaded.module
    with untouched(network):
        for batch in fed(feed):
            call(network, batch.ids.to(device_of(network)), batch.attention)
    return {}


def stored(feed: Feed) -> Store:
    """Our pass: every layer pooled, and written."""
    store = Store.temporary()
    run([Target(feed.plan, feed.sequences, store, "benchmark")])
    return store


def watched(feed: Feed) -> Pooled:
    """Our pass, and its states read back."""
    store = stored(feed)
    return {
        name.key: np.array(store.get(f"layers/{name.key}", "benchmark")["states"])  # type: ignore[index]
        for name in feed.plan.names
    }


def by_hand(feed: Feed) -> Pooled:
    """All hidden states at once, then the mean of each."""
    network, names = feed.plan.loaded.module, feed.plan.names
    found = {
        name.key: np.empty((len(feed.sequences.ids), feed.plan.loaded.width), np.float32)
        for name in names
        if name.hidden_states is not None
    }
    with untouched(network):
        for batch in fed(feed):
            output = call(network, batch.ids, batch.attention, output_hidden_states=True)
            mask = batch.mask(feed.sequences.counted)
            for name in names:
                if name.hidden_states is not None:
                    states = widen(output.hidden_states[name.hidden_states], ~mask)
                    found[name.key][batch.rows] = mean(states, mask).numpy()
    return found


WAYS: dict[str, Callable[[Feed], object]] = {
    "alone": alone,
    "watched": stored,
    "by_hand": by_hand,
}


def agree(feed: Feed) -> None:
    """Stop if the two ways give different states."""
    ours, theirs = watched(feed), by_hand(feed)
    for layer, states in theirs.items():
        np.testing.assert_allclose(ours[layer], states, rtol=0, atol=1e-4, err_msg=layer)


def peak(way: str, model: str, texts: str, rows: int, pipe: object) -> None:
    """Measure one way in a process of its own."""
    torch.set_num_threads(1)
    feed = prepared(model, texts, rows)
    pipe.send(timing.anonymous_peak(partial(WAYS[way], feed)))  # type: ignore[attr-defined]


def peaks(model: str, texts: str, rows: int) -> dict[str, float]:
    """Return the peak memory of each way above what was in use before, MiB."""
    found, context = {}, multiprocessing.get_context("spawn")
    os.environ |= RETURNED  # to the children
    for way in WAYS:
        ours, theirs = context.Pipe()
        process = context.Process(target=peak, args=(way, model, texts, rows, theirs))
        process.start()
        found[way] = ours.recv()
        process.join()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, compare, and append one record."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.forward", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("model")
    line.add_argument("texts")
    line.add_argument("--rows", type=int, default=512)
    line.add_argument("--name", help="what the record calls the model")
    options = line.parse_args(arguments)
    torch.set_num_threads(1)
    feed = prepared(options.model, options.texts, options.rows)
    agree(feed)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        for way, passed in WAYS.items():
            times[way].append(timing.measured(partial(passed, feed))[1].cpu_s)
    ratios = {
        way: statistics.median(a / b for a, b in zip(times[way], times["alone"], strict=True))
        for way in WAYS
    }
    largest = max(int(batch.ids.numel()) for batch in fed(feed))
    record = {
        "job": "forward",
        "time": records.now(),
        "machine": records.machine(),
        "versions": records.versions(),
        "model": options.name or Path(options.model).name,
        "blocks": feed.plan.blocks,
        "width": feed.plan.loaded.width,
        "rows": len(feed.sequences.ids),
        "tokens": feed.sequences.tokens,
        "cpu_s": {way: round(statistics.median(t), 3) for way, t in times.items()},
        "ratio_to_alone": {way: round(r, 4) for way, r in ratios.items()},
        "one_layer_of_tokens_mib": round(largest * feed.plan.loaded.width * 4 / 2**20, 2),
        "peak_mib": peaks(options.model, options.texts, options.rows),
    }
    records.append(records.FOLDER / "forward.jsonl", record)
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
