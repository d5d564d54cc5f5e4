"""Rows with their tokens in random order: the same words, no sentence."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from layergeom.arrays import BoolArray, IntArray


class ShuffledTokenizer:
    """A tokenizer that shuffles the tokens of every text; special tokens stay where they are.

    All else is the tokenizer's own. Equal texts are shuffled alike, whatever their place.

    Parameters
    ----------
    tokenizer : object
        One of transformers'.
    seed : int
        Of the shuffling.

    Notes
    -----
    A text that is cut is shuffled after the cut, so that it keeps the tokens that the model would
    have seen. A prompt that a sentence model puts before its texts is shuffled with them.
    """

    def __init__(self, tokenizer: Any, seed: int) -> None:
        self._tokenizer = tokenizer
        self._seed = seed

    def __call__(self, texts: Sequence[str], **options: Any) -> Any:
        """Tokenize texts; ``input_ids`` are shuffled where ``special_tokens_mask`` is 0."""
        encoded = self._tokenizer(texts, **options)
        pairs = zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True)
        encoded["input_ids"] = [
            shuffled(np.asarray(ids, dtype=np.int64), ~np.asarray(special, dtype=bool), self._seed)
            for ids, special in pairs
        ]
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    @property
    def backend_tokenizer(self) -> ShuffledTokenizer:
        """Itself: what identifies a tokenizer must tell that it shuffles."""
        return self

    def to_str(self) -> str:
        """Return what identifies the tokenizer and its shuffling."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        own = self._tokenizer.get_vocab() if backend is None else backend.to_str()
        return f"shuffled by {self._seed}: {own}"


def shuffled(ids: IntArray, free: BoolArray, seed: int) -> IntArray:
    """Return a row with the tokens of its free positions in random order; its content seeds it.

    Examples
    --------
    >>> row = np.arange(6)
    >>> free = np.array([False, True, True, True, True, False])
    >>> found = shuffled(row, free, seed=0)
    >>> found[[0, 5]].tolist(), sorted(found.tolist())
    ([0, 5], [0, 1, 2, 3, 4, 5])
    """
    rng = np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(ids).tobytes())])
    found = ids.copy()
    found[free] = rng.permutation(ids[free])
    return found


def shuffled_rows(
    rows: Sequence[IntArray], marks: Collection[int], seed: int
) -> tuple[IntArray, ...]:
    """Return rows of token ids with their tokens in random order.

    Parameters
    ----------
    rows : sequence of int64 arrays
        Token ids.
    marks : collection of int
        Special tokens, which stay where they are; so do the first and the last token where all
        rows begin or end with the same.
    seed : int
        Of the shuffling.
    """
    fixed = np.array(sorted(marks), dtype=np.int64)
    ends = [at for at in (0, -1) if len({int(row[at]) for row in rows}) == 1]
    found = []
    for row in rows:
        free = ~np.isin(row, fixed)
        free[ends] = False
        found.append(shuffled(row, free, seed))
    return tuple(found)
