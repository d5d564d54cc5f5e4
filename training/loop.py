"""The loop that every training script shares: one rate schedule, one log, checkpoints by step.

A script brings a model, batches and a loss; what it gets back lies in one folder: a sub-folder
``step<n>`` per checkpoint in the layout that ``from_pretrained`` reads, ``training_log.csv`` and
``provenance.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

Loss = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a model is trained.

    Parameters
    ----------
    steps : int
        Optimiser steps.
    kept : tuple of int, optional
        Steps at which a checkpoint is kept; by default 0 and powers of two times 10. The last
        always is.
    peak : float
        Highest learning rate, reached after ``warm_up`` steps; then a cosine to a tenth of it.
    decay : float
        Weight decay of the matrices.
    warm_up : int
        Steps of linear growth.
    seed : int
        Of the weights and the batches.
    threads : int
        Of torch. At these sizes one is faster than two.
    half : bool
        Matrix products run in bfloat16 (autocast); weights and optimiser stay in float32.
    """

    steps: int
    peak: float = 1.5e-3
    decay: float = 0.1
    warm_up: int = 200
    seed: int = 0
    threads: int = 1
    half: bool = True
    kept: tuple[int, ...] = (0, *(10 * 2**i for i in range(20)))

    @property
    def milestones(self) -> tuple[int, ...]:
        """Steps at which a checkpoint is kept, the last included."""
        return (*(step for step in self.kept if step < self.steps), self.steps)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warm_up)
        return self.peak * warm * (0.55 + 0.45 * float(np.cos(np.pi * step / self.steps)))


def command_line(
    description: str, *inputs: str, layers: int, width: int, steps: int, batch: int
) -> argparse.ArgumentParser:
    """Return the parser of what every script is given; a script adds what is its own.

    Parameters
    ----------
    description : str
        The script's docstring, whose first line is shown.
    *inputs : str
        Names of the files it reads, before the folder ``out``.
    layers, width, steps, batch : int
        Defaults.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    for name in (*inputs, "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--layers", type=int, default=layers)
    parser.add_argument("--width", type=int, default=width)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def optimiser(model: torch.nn.Module, decay: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95))


def train(
    model: torch.nn.Module,
    loss: Loss,
    held_out: Loss,
    save: Callable[[Path], None],
    out: Path,
    schedule: Schedule,
    facts: dict[str, Any],
) -> None:
    """Train ``model`` and leave checkpoints, log and provenance in ``out``.

    Parameters
    ----------
    loss, held_out : callable
        Mean loss in nats of the next batch, and of the held-out data.
    save : callable(folder)
        Writes a checkpoint that ``from_pretrained`` reads, tokenizer included.
    facts : dict
        What the model is and what it was trained on, for ``provenance.json``.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(schedule.threads)
    adam = optimiser(model, schedule.decay)
    rows: list[dict[str, float]] = []
    started, recent = time.process_time(), []
    for step in range(schedule.steps + 1):
        if step in schedule.milestones or step % 250 == 0:
            recent_loss = float(np.mean(recent[-100:])) if recent else float("nan")
            held_out_loss = _measured(model, held_out, schedule.half)
            rows.append(_row(step, recent_loss, held_out_loss, started))
            print(rows[-1], flush=True)
        if step in schedule.milestones:
            save(out / f"step{step}")
        if step == schedule.steps:
            break
        for group in adam.param_groups:
            group["lr"] = schedule.rate(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=schedule.half):
            value = loss()
        adam.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        recent.append(value.item())
    _write_log(out / "training_log.csv", rows)
    facts = facts | {
        "schedule": asdict(schedule),
        "parameters": sum(p.numel() for p in model.parameters()),
        "held_out_loss_nats": rows[-1]["held_out_loss"],
        "cpu_seconds": rows[-1]["cpu_seconds"],
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    (out / "provenance.json").write_text(json.dumps(facts, indent=1) + "\n")


def _measured(model: torch.nn.Module, held_out: Loss, half: bool) -> float:
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        value = float(held_out())
    model.train()
    return value


def _row(step: int, recent: float, held_out: float, started: float) -> dict[str, float]:
    return {
        "step": step,
        "train_loss": round(recent, 5),
        "held_out_loss": round(held_out, 5),
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def _write_log(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
