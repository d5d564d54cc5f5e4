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


def parts(sequences: Sequences, tokens: int | None = None) -> list[IntArray]:
    """Return the sequences of each part of a pass, samples with the longest ones first.

    A function of the data alone, so that every run of it, on whatever device, has the same parts.

    Parameters
    ----------
    sequences : Sequences
        The rows; the windows of a sample stay together.
    tokens : int, optional
        A part ends with the sample that makes it so many; by default `PART_TOKENS`.
    """
    limit = PART_TOKENS if tokens is None else tokens
    lengths = np.array([len(row) for row in sequences.counted])
    places = sequences.places
    longest = np.zeros(int(places.max()) + 1, dtype=np.int64)
    np.maximum.at(longest, places, lengths)
    rank = np.empty_like(longest)
    rank[np.argsort(-longest, kind="stable")] = np.arange(len(longest))
    order = np.argsort(rank[places], kind="stable")
    fed = np.bincount(rank[places], weights=lengths)
    before = np.cumsum(fed) - fed  # tokens in front of each sample
    part = (before // limit).astype(np.int64)[rank[places[order]]]
    return np.split(order, np.flatnonzero(np.diff(part)) + 1)


def batches(
    sequences: Sequences,
    pad: int,
    budget: int,
    batch_size: int | None,
    among: IntArray | None = None,
) -> Iterator[Batch]:
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
    among : int64 array, optional
        Only these sequences.
    """
    chosen = np.arange(len(sequences.counted)) if among is None else np.sort(among)
    lengths = np.array([len(sequences.counted[row]) for row in chosen])
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        size = batch_size or max(1, budget // longest)
        yield padded(sequences, chosen[order[start : start + size]], pad)
        start += size


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
