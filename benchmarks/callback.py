"""What watching a training costs: the same steps with and without it, in pairs.

    python -m benchmarks.callback [--steps 60] [--pairs 3] [--share 0.05]

A causal model with random weights is trained on random tokens on one thread; every second run of a
pair is watched (``layergeom.callbacks.Watch``, which both callbacks call). The weights of both must
be equal bit by bit before any time is written. Overhead is the median over the pairs of
(watched - alone) / alone, in CPU time; ``share_told`` is what the watch itself says it took of the
wall time. With ``--share`` a measurement is asked for every second step, and the share is capped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks import records, timing
from layergeom.callbacks import Watch

WORDS, BATCH, LENGTH = 1000, 8, 64
CASES: tuple[dict[str, Any], ...] = (
    {"every": 20, "max_share": None, "max_samples": 128},
    {"every": 20, "max_share": None, "max_samples": 512},
)


def network(blocks: int, width: int) -> GPT2LMHeadModel:
    """Return the model that is trained, the same each time."""
    torch.manual_seed(0)
    shape = {"n_layer": blocks, "n_embd": width, "n_head": width // 32, "n_positions": LENGTH}
    return GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, bos_token_id=0, eos_token_id=0, **shape))


def probes() -> list[np.ndarray]:
    """Return the rows that are measured: 16 to 48 tokens each."""
    rng = np.random.default_rng(1)
    return [rng.integers(1, WORDS, rng.integers(16, 48)) for _ in range(512)]


def trained(model: GPT2LMHeadModel, steps: int, watch: Watch | None) -> GPT2LMHeadModel:
    """Train for some steps, watched or not."""
    torch.manual_seed(0)
    tokens = torch.randint(1, WORDS, (512, LENGTH))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    model.train()
    if watch is not None:
        watch.begin(model)
        watch.look(model, 0)
    for step in range(1, steps + 1):
        batch = tokens[torch.randint(512, (BATCH,))]
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if watch is not None:
            watch.look(model, step)
    return model


def agree(alone: GPT2LMHeadModel, watched: GPT2LMHeadModel) -> None:
    """Stop if the watch has changed the training."""
    for name, weights in alone.state_dict().items():
        if not torch.equal(weights, watched.state_dict()[name]):
            raise AssertionError(f"{name} differs: the training was changed.")


def case(
    settings: dict[str, Any], steps: int, pairs: int, shape: tuple[int, int]
) -> dict[str, Any]:
    """Return what one setting costs."""
    overheads, steps_s, shares, costs, made = [], [], [], [], []
    for _ in range(pairs):
        watch = Watch(probes(), pool="mean", save=False, **settings)
        alone, plain = timing.measured(partial(trained, network(*shape), steps, None))
        watched, with_it = timing.measured(partial(trained, network(*shape), steps, watch))
        agree(alone, watched)
        overheads.append((with_it.cpu_s - plain.cpu_s) / plain.cpu_s)
        steps_s.append(plain.cpu_s / steps)
        shares.append(watch.budget.spent / with_it.wall_s)
        costs += [measurement.seconds for measurement in watch.measurements]
        made.append(len(watch.measurements))
    return settings | {
        "overhead": round(statistics.median(overheads), 4),
        "overhead_range": [round(min(overheads), 4), round(max(overheads), 4)],
        "share_told": round(statistics.median(shares), 4),
        "step_cpu_s": round(statistics.median(steps_s), 4),
        "measurement_s": round(statistics.median(costs), 4),
        "measurements": statistics.median(made),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, compare, and append one record."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.callback", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("--steps", type=int, default=60)
    line.add_argument("--pairs", type=int, default=3)
    line.add_argument("--blocks", type=int, default=6)
    line.add_argument("--width", type=int, default=256)
    line.add_argument("--share", type=float, help="cap the share; one case")
    options = line.parse_args(arguments)
    capped = {"every": 2, "max_share": options.share, "max_samples": 64}
    cases = CASES if options.share is None else (capped,)
    torch.set_num_threads(1)
    shape = (options.blocks, options.width)
    trained(network(*shape), 3, None)  # what is loaded on first use
    found = [case(settings, options.steps, options.pairs, shape) for settings in cases]
    record = {
        "job": "callback",
        "time": records.now(),
        "machine": records.machine(),
        "versions": records.versions(),
        "blocks": options.blocks,
        "width": options.width,
        "tokens_per_step": BATCH * LENGTH,
        "steps": options.steps,
        "pairs": options.pairs,
        "cases": found,
    }
    records.append(records.FOLDER / "callback.jsonl", record)
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
