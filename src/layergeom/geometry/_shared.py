"""How many listed neighbours every two layers share, for several k, by one sort of the lists.

The lists of a row at all layers are sorted together by neighbour. A run of equal neighbours then
becomes one word with a bit for every layer that lists it; 32 words are transposed into one word
per layer, and the shared neighbours of two layers are the ones in the conjunction of their words.
Neighbours that only one layer lists are dropped before that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from layergeom.arrays import IntArray

WORD = 32  # layers of one pass: the bits of a word
LAYER_BITS = 5
BLOCK_ENTRIES = 1 << 17  # list entries sorted at a time: they stay in the cache
LOW_HALVES = {16: 0x0000FFFF, 8: 0x00FF00FF, 4: 0x0F0F0F0F, 2: 0x33333333, 1: 0x55555555}

Words: TypeAlias = npt.NDArray[np.uint32]
Keys: TypeAlias = npt.NDArray[Any]  # uint32, or uint64 where that is too narrow


def shared_counts(lists: Sequence[IntArray], ks: Sequence[int], rows: IntArray | None) -> IntArray:
    """Return the number of shared neighbours of every two layers: (len(ks), L, L), 0 for i = j.

    Parameters
    ----------
    lists : sequence of L arrays, shape (n, at least max(ks))
        Neighbours of each row by distance, none twice; -1 where there is none.
    ks : sequence of int
        Ascending.
    rows : ndarray, optional
        Rows that count; all otherwise.
    """
    size = len(lists)
    counts = np.zeros((len(ks), size, size), dtype=np.int64)
    for layers in _groups(size):
        found = _counts([lists[i] for i in layers], ks, rows)
        counts[np.ix_(range(len(ks)), layers, layers)] = found
    return counts


def _groups(size: int) -> Iterator[list[int]]:
    """Yield groups of at most a word's layers, in which all pairs of layers occur."""
    if size <= WORD:
        yield list(range(size))
        return
    halves = [list(range(low, min(low + WORD // 2, size))) for low in range(0, size, WORD // 2)]
    for one, other in combinations(halves, 2):
        yield one + other


def _counts(lists: Sequence[IntArray], ks: Sequence[int], rows: IntArray | None) -> IntArray:
    size, k = len(lists), ks[-1]
    n = len(lists[0]) if rows is None else len(rows)
    counts = np.zeros((len(ks), size, size), dtype=np.int64)
    missing = any((x[:, k - 1] < 0).any() for x in lists)
    layout = _Layout(size, tuple(ks), missing, len(lists[0]))
    step = max(1, BLOCK_ENTRIES // (size * k))
    for low in range(0, n, step):
        block = slice(low, min(low + step, n))
        part = [x[block, :k] if rows is None else x[rows[block], :k] for x in lists]
        for at, words in enumerate(_listed_by(part, layout)):
            counts[at] += _in_common(_transposed(words)[:size])
    return counts


class _Layout:
    """How neighbour, place of its rank among ``ks`` and layer share the bits of a key."""

    def __init__(self, size: int, ks: tuple[int, ...], missing: bool, n: int) -> None:
        self.steps, self.missing = len(ks), missing
        self.rank_bits = (len(ks) - 1 + missing).bit_length()
        self.shift = LAYER_BITS + self.rank_bits
        self.dtype = np.uint32 if n <= 1 << (32 - self.shift) else np.uint64
        places = np.searchsorted(np.asarray(ks), np.arange(ks[-1]), side="right")
        tags = np.arange(size)[:, None] | places << LAYER_BITS
        self.tags = tags.astype(self.dtype)

    def sorted_keys(self, lists: Sequence[IntArray]) -> Keys:
        """Return the keys of a block of rows, sorted in each row."""
        keys = np.empty((len(lists[0]), *self.tags.shape), dtype=self.dtype)
        for layer, listed in enumerate(lists):
            keys[:, layer] = np.maximum(listed, 0) if self.missing else listed
        keys <<= self.dtype(self.shift)
        keys |= self.tags
        if self.missing:
            nowhere = self.dtype(self.steps << LAYER_BITS)  # a place that no k reaches
            for layer, listed in enumerate(lists):
                np.copyto(keys[:, layer], nowhere | self.dtype(layer), where=listed < 0)
        flat = keys.reshape(len(keys), -1)
        flat.sort(axis=1)
        return flat

    def places(self, keys: Keys) -> Keys:
        mask = self.dtype((1 << self.rank_bits) - 1)
        return np.asarray((keys >> self.dtype(LAYER_BITS)) & mask)


def _listed_by(lists: Sequence[IntArray], layout: _Layout) -> Iterator[Words]:
    """For each k, one word per neighbour of a row that several layers list."""
    keys = layout.sorted_keys(lists)
    neighbor = keys >> layout.dtype(layout.shift)
    continues = np.zeros((len(keys), keys.shape[1] + 1), dtype=bool)
    np.equal(neighbor[:, 1:], neighbor[:, :-1], out=continues[:, 1:-1])
    here, following = continues[:, :-1], continues[:, 1:]
    first, last = np.flatnonzero(~here & following), np.flatnonzero(here & ~following)
    keys = keys.reshape(-1)
    bits = np.left_shift(np.uint32(1), (keys & 31).astype(np.uint32, copy=False))
    places = layout.places(keys) if layout.rank_bits else None
    for at in range(layout.steps):
        counted = bits if places is None else bits * (places <= at)
        sums = np.cumsum(counted, dtype=np.uint32)  # differences are exact modulo 2^32
        yield sums[last] - sums[first] + counted[first]


def _transposed(words: Words) -> Words:
    """Return 32 words for every 32: word l holds bit l of each, by swaps of ever smaller blocks."""
    width = -(-len(words) // (2 * WORD)) * 2  # an even number, to be counted by 64 bits
    table = np.zeros((WORD, width), dtype=np.uint32)
    table.reshape(-1)[: len(words)] = words
    for step, low_half in LOW_HALVES.items():
        pairs = table.reshape(WORD // (2 * step), 2, step, width)
        upper, lower = pairs[:, 0], pairs[:, 1]
        swapped = ((upper >> np.uint32(step)) ^ lower) & np.uint32(low_half)
        lower ^= swapped
        upper ^= swapped << np.uint32(step)
    return table


def _in_common(planes: Words) -> IntArray:
    """Bits in common of every two different planes: (L, L)."""
    wide = planes.view(np.uint64)
    counts = np.zeros((len(wide), len(wide)), dtype=np.int64)
    for i in range(len(wide)):
        counts[i, i + 1 :] = counts[i + 1 :, i] = _population(wide[i + 1 :] & wide[i])
    return counts


def _population(words: npt.NDArray[np.uint64]) -> IntArray:
    """Bits set in each row."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words).sum(axis=1, dtype=np.int64))
    return np.asarray(_BITS_OF_16[words.view(np.uint16)].sum(axis=1, dtype=np.int64))


_BITS_OF_16 = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16)
_BITS_OF_16 = _BITS_OF_16.sum(axis=1, dtype=np.uint8)  # numpy before 2.0 cannot count bits
