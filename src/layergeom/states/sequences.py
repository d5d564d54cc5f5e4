"""What a network is fed, row by row, with an account of what was cut or left out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from layergeom.arrays import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Sequences:
    """Token ids of the rows that are kept, in data order.

    Parameters
    ----------
    ids : tuple of int64 arrays, or of float32 arrays (channels, height, width)
        What the network is fed: token ids, or an image.
    counted : tuple of bool arrays
        The tokens that enter the pooling.
    rows : tuple of int
        Number in the data of what each sequence is of; the windows of one row follow each other.
    truncated, skipped, windowed : tuple of int
        Rows that were cut, that were left out for their length, or are read in windows.
    unknown : int
        Tokens that the tokenizer does not know.
    """

    ids: tuple[Any, ...]
    counted: tuple[BoolArray, ...]
    rows: tuple[int, ...]
    truncated: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    windowed: tuple[int, ...] = ()
    unknown: int = 0

    @property
    def tokens(self) -> int:
        """Number of tokens fed."""
        return sum(map(len, self.counted))

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The rows that are fed, each once."""
        return tuple(dict.fromkeys(self.rows))

    @cached_property
    def places(self) -> IntArray:
        """For each sequence the place of its row among those kept."""
        return np.unique(self.rows, return_inverse=True)[1].astype(np.int64)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Hash of the token ids of each kept row: equal means the same input."""
        digests = [hashlib.blake2b(digest_size=16) for _ in self.kept]
        for place, row in zip(self.places, self.ids, strict=True):
            digests[place].update(np.ascontiguousarray(row).tobytes())
        return tuple(digest.hexdigest() for digest in digests)
