"""Right-padded batches of what a network is fed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import BoolArray, IntArray
from layergeom.states.sequences import Sequences

if TYPE_CHECKING:
    import torch


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


def batches(sequences: Sequences, pad: int, budget: int, batch_size: int | None) -> Iterator[Batch]:
    """Yield right-padded batches, longest rows first (so that memory runs out early or never).

    Parameters
    ----------
    sequences : Sequences
        The rows.
    pad : int
        Id that fills up; always masked.
    budget : int
        Tokens per batch, padding included; a longer row is a batch of its own.
    batch_size : int or None
        Rows per batch, in place of the budget.
    """
    lengths = np.array([len(row) for row in sequences.counted])
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        size = batch_size or max(1, budget // longest)
        yield _batch(sequences, order[start : start + size], longest, pad)
        start += size


def _batch(sequences: Sequences, rows: IntArray, width: int, pad: int) -> Batch:
    import torch

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
