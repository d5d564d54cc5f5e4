"""A tiny model and texts, what a run of them leaves, and whether that is all that it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from runs import ROWS, ROWS_A_PART, WORDS, Run, Runs

from layergeom.states.store import DRAFT, Store
from layergeom.states.unfinished import read_journal
from states import tiny

BATCH = ROWS_A_PART // 2
PIECES = 10  # four layers, their neighbour lists, what goes with the rows, and their contents


@dataclass(frozen=True)
class Pipeline:
    """A model, texts of equal length, and processes that run the one on the others."""

    place: Path
    runs: Runs

    @classmethod
    def made(cls, place: Path, runs: Runs) -> Pipeline:
        tiny.folder(place / "model")
        rng = np.random.default_rng(0)
        lines = [" ".join(rng.choice(tiny.WORDS, WORDS)) for _ in range(ROWS)]
        (place / "texts.txt").write_text("\n".join(lines) + "\n")
        return cls(place, runs)

    def start(self, out: Path, log: str = "log", **setting: Any) -> Run:
        """Begin ``layergeom run`` into a folder."""
        options = ("--k", 5, "--batch-size", BATCH, "-o", out)
        return self.runs.start(
            out.parent / log, "run", self.place / "model", self.place / "texts.txt", *options,
            **setting,
        )  # fmt: skip


def numbers(run: Path) -> Any:
    """What a profile says, but for the time at which it was made."""
    content = json.loads((run / "profile.json").read_text())
    del content["provenance"]["created"], content["sha256"]
    content["provenance"].pop("command", None)  # it names the folder
    return content


def parts_done(run: Path) -> int:
    """Parts of the states that need no other forward pass."""
    store = Store(run / "states")
    if "states" in store.names() and len(store.names()) >= PIECES - 5:
        return ROWS // ROWS_A_PART
    journals = [read_journal(path) for path in (run / "states").glob(f"{DRAFT}*.json")]
    return max([0, *(len(journal["parts"]) for journal in journals if journal)])


def left(run: Path) -> list[str]:
    """Files that a finished run has no use for, and what is damaged."""
    wanted = {"profile.json", "states"}
    strangers = [path.name for path in run.iterdir() if path.name not in wanted]
    return [*strangers, *Store(run / "states").check()]
