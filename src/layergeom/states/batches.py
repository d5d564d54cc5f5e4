"""Right-padded batches of what a network is fed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import BoolArray, IntArray
from layergeom.states.sequences import Sequences

if TYPE_CHECKING:
    import torch


PART_TOKENS = 1 << 18  # fed between two entries in the journal: minutes on a processor


@dataclass(frozen=True, eq=False)
class Batch:
    """Right-padded rows of similar length, or images.

    Parameters
    ----------
    rows : int64 array, shape (batch,)
        Which of the sequences.
    ids, attention : Tensor of int64, shape (batch, T)
        Token ids (images: float32 pixels) and 1 for real tokens.
    """

    rows: IntArray
    ids: torch.Tensor
    attention: torch.Tensor

    def mask(self, counted: Sequence[BoolArray]) -> torch.Tensor:
        """Return which of the batch's tokens count, shape (batch, T), from those of all rows."""
        import torch

        width = self.attention.shape[1]
        return torch.from_numpy(_filled([counted[row] for row in self.rows], width, 0))


def planned(
    sequences: Sequences, budget: int, batch_size: int | None, even: bool = False
) -> list[IntArray]:
    """Return the sequences of every batch, samples with the longest ones first.

    Memory runs out early or never. A function of its parameters alone, so that parts and shards of
    a pass are made of the same batches as the whole.

    Parameters
    ----------
    sequences : Sequences
        The rows; the windows of a sample follow each other.
    budget : int
        Tokens per batch, padding included; a longer row is a batch of its own.
    batch_size : int or None
        Rows per batch, in place of the budget.
    even : bool
        Rows of one length only in a batch, for networks that do not mask what fills up.
    """
    lengths = np.array([len(row) for row in sequences.counted])
    places = sequences.places
    longest = np.zeros(int(places.max()) + 1, dtype=np.int64)
    np.maximum.at(longest, places, lengths)
    order = np.lexsort((-lengths, places, -longest[places]))
    found, start = [], 0
    while start < len(order):
        size = batch_size or max(1, budget // int(longest[places[order[start]]]))
        if even:
            others = lengths[order[start : start + size]] != lengths[order[start]]
            size = int(others.argmax()) if others.any() else size
        found.append(order[start : start + size])
        start += size
    return found


def parts(sequences: Sequences, batches: Sequence[IntArray]) -> list[list[IntArray]]:
    """Return the batches of each part of a pass: what is written to the journal together.

    A part ends behind `PART_TOKENS` tokens, and never within the windows of a sample.
    """
    found: list[list[IntArray]] = []
    tokens = PART_TOKENS
    for rows in batches:
        whole = not found or sequences.places[rows[0]] != sequences.places[found[-1][-1][-1]]
        if tokens >= PART_TOKENS and whole:
            found.append([])
            tokens = 0
        found[-1].append(rows)
        tokens += sum(len(sequences.counted[row]) for row in rows)
    return found


def padded(sequences: Sequences, rows: IntArray, pad: int) -> Batch:
    """Return one batch of some sequences."""
    import torch

    width = max(len(sequences.counted[row]) for row in rows)
    fed = [sequences.ids[row] for row in rows]
    ids = np.stack(fed) if fed[0].ndim > 1 else _filled(fed, width, pad)
    real = [np.ones(len(sequences.counted[row]), dtype=np.int64) for row in rows]
    return Batch(rows, torch.from_numpy(ids), torch.from_numpy(_filled(real, width, 0)))


def _filled(rows: Sequence[Any], width: int, value: int) -> np.ndarray[Any, Any]:
    """Stack rows of different lengths, shape (batch, width)."""
    stacked = np.full((len(rows), width), value, dtype=rows[0].dtype)
    for line, row in enumerate(rows):
        stacked[line, : len(row)] = row
    return stacked
