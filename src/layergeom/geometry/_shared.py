"""How many listed neighbours every two layers share, for several k or row by row, by one sort.

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

from layergeom.arrays import BoolArray, IntArray

WORD = 32  # layers of one pass: the bits of a word
LAYER_BITS = 5
BLOCK_ENTRIES = 1 << 17  # list entries sorted at a time: they stay in the cache
BLOCK_WORDS = 1 << 17  # words transposed at a time, a multiple of 64
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
    chosen = lists if rows is None else [x[rows] for x in lists]
    for layers in _groups(size):
        found = [_Counter(len(layers)) for _ in ks]
        for runs in _sorted_blocks([chosen[i] for i in layers], ks, len(lists[0])):
            for at, counter in enumerate(found):
                counter.add(runs.words(at))
        counts[np.ix_(range(len(ks)), layers, layers)] = [each.counts() for each in found]
    return counts


def shared_by_row(lists: Sequence[IntArray], k: int) -> Iterator[tuple[int, int, IntArray]]:
    """Yield every two layers i < j with the number of neighbours that they share in each row.

    Holds the words of all rows, for L <= 32 layers at most 2 L k + 128 bytes a row and 8 L more.
    """
    seen: set[tuple[int, int]] = set()
    for layers in _groups(len(lists)):
        blocks = _sorted_blocks([lists[i] for i in layers], [k], len(lists[0]))
        planes = [runs.planes_by_row()[: len(layers)] for runs in blocks]
        for at, i in enumerate(layers):
            found = [
                _ones(each[at + 1 :] & each[at]).sum(axis=1, dtype=np.int64) for each in planes
            ]
            for j, shared in zip(layers[at + 1 :], np.concatenate(found, axis=1), strict=True):
                if (i, j) not in seen:
                    yield i, j, shared
                    seen.add((i, j))


def _groups(size: int) -> Iterator[list[int]]:
    """Yield groups of at most a word's layers, in which all pairs of layers occur."""
    if size <= WORD:
        yield list(range(size))
        return
    halves = [list(range(low, min(low + WORD // 2, size))) for low in range(0, size, WORD // 2)]
    for one, other in combinations(halves, 2):
        yield one + other


def _sorted_blocks(lists: Sequence[IntArray], ks: Sequence[int], n: int) -> Iterator[_Runs]:
    """Sort the lists of some rows at a time; a block is overwritten by the next."""
    layout = _Layout(len(lists), tuple(ks), n)
    step = max(1, BLOCK_ENTRIES // layout.tags.size)
    room = np.empty((2, min(step, len(lists[0])), layout.tags.size), dtype=layout.dtype)
    for low in range(0, len(lists[0]), step):
        part = [x[low : low + step, : ks[-1]] for x in lists]
        keys, spare = room[:, : len(part[0])]
        missing = layout.sorted_keys(part, keys)
        yield _Runs(keys, spare, layout, missing)


class _Layout:
    """How neighbour, place of its rank among ``ks`` and layer share the bits of a key."""

    def __init__(self, size: int, ks: tuple[int, ...], n: int) -> None:
        self.shift = LAYER_BITS + len(ks).bit_length()  # one place more than ks: no k reaches it
        self.steps = len(ks)
        self.dtype = np.uint32 if n < 1 << (32 - self.shift) else np.uint64
        layers = np.arange(size)[:, None]
        places = np.searchsorted(np.asarray(ks), np.arange(ks[-1]), side="right")
        self.tags = (layers | places << LAYER_BITS).astype(self.dtype)
        self.nowhere = (layers | len(ks) << LAYER_BITS).astype(self.dtype)

    def sorted_keys(self, lists: Sequence[IntArray], out: Keys) -> bool:
        """Write the keys of some rows, each row sorted; return whether neighbours are missing."""
        keys = out.reshape(len(out), *self.tags.shape)
        for layer, listed in enumerate(lists):
            keys[:, layer] = listed
        largest = np.iinfo(self.dtype).max  # what -1 becomes
        missing = bool(keys.max() == largest)
        absent = keys == largest if missing else False
        keys <<= self.dtype(self.shift)
        keys |= self.tags
        np.copyto(keys, self.nowhere, where=absent)
        out.sort(axis=1)
        return missing


class _Runs:
    """Sorted keys of some rows, and where in them a neighbour is listed by several layers."""

    def __init__(self, keys: Keys, spare: Keys, layout: _Layout, missing: bool) -> None:
        self.keys, self.spare, self.layout = keys, spare, layout
        self.graded = missing or layout.steps > 1
        continues = np.zeros((len(keys), keys.shape[1] + 1), dtype=bool)
        differ = np.bitwise_xor(keys[:, 1:], keys[:, :-1], out=spare[:, 1:])
        np.less(differ, 1 << layout.shift, out=continues[:, 1:-1])
        here, following = continues[:, :-1], continues[:, 1:]
        self.in_run: BoolArray = here | following
        self.ends: BoolArray = here > following

    def words(self, at: int) -> Words:
        """One word per run: a bit for each layer that lists the neighbour within the k's place."""
        layers = np.bitwise_and(self.keys, 31, out=self.spare)
        bits = np.left_shift(self._counted(at), layers, out=self.spare, dtype=self.spare.dtype)
        sums = np.cumsum(bits, dtype=np.uint32)[np.flatnonzero(self.ends)]
        return np.diff(sums, prepend=np.uint32(0))  # exact modulo 2^32

    def _counted(self, at: int) -> BoolArray:
        if not self.graded:
            return self.in_run
        limit = (at + 1) << LAYER_BITS
        places = np.bitwise_and(self.keys, (1 << self.layout.shift) - 1)
        return self.in_run & (places < limit)

    def planes_by_row(self) -> Words:
        """One bit per run and layer, with rows apart: (32, words, rows)."""
        per_row = self.ends.sum(axis=1)
        row = np.repeat(np.arange(len(per_row)), per_row)
        place = np.arange(len(row)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
        table = np.zeros((WORD, int(per_row.max()) // WORD + 1, len(per_row)), dtype=np.uint32)
        table[place % WORD, place // WORD, row] = self.words(0)
        _transpose(table)
        return table


class _Counter:
    """Counts what layers share, from words that come a few at a time."""

    def __init__(self, size: int) -> None:
        self._size, self._filled = size, 0
        self._table = np.empty(BLOCK_WORDS, dtype=np.uint32)
        self._counts = np.zeros((size, size), dtype=np.int64)

    def add(self, words: Words) -> None:
        while len(words):
            room = self._table[self._filled :][: len(words)]
            room[:] = words[: len(room)]
            self._filled, words = self._filled + len(room), words[len(room) :]
            if self._filled == BLOCK_WORDS:
                self._empty()

    def counts(self) -> IntArray:
        self._empty()
        return self._counts + self._counts.T

    def _empty(self) -> None:
        used = self._table[: -(-self._filled // (2 * WORD)) * 2 * WORD]  # counted by 64 bits
        used[self._filled :] = 0
        planes = used.reshape(WORD, -1)
        _transpose(planes)
        wide = planes[: self._size].view(np.uint64)
        for i in range(self._size - 1):
            shared = _ones(wide[i + 1 :] & wide[i])
            self._counts[i, i + 1 :] += shared.sum(axis=1, dtype=np.uint32)
        self._filled = 0


def _transpose(table: Words) -> None:
    """Make of every 32 words the 32 whose word l holds bit l of each, by ever smaller blocks."""
    for step, low_half in LOW_HALVES.items():
        pairs = table.reshape(WORD // (2 * step), 2, step, -1)
        upper, lower = pairs[:, 0], pairs[:, 1]
        swapped = upper >> np.uint32(step)
        swapped ^= lower
        swapped &= np.uint32(low_half)
        lower ^= swapped
        swapped <<= np.uint32(step)
        upper ^= swapped


def _ones(words: npt.NDArray[Any]) -> IntArray:
    """Bits set in each word."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words))
    halves = _BITS_OF_16[words.view(np.uint16)]  # numpy before 2.0 cannot count bits
    each = halves.reshape(*words.shape, words.itemsize // 2)
    return np.asarray(each.sum(axis=-1, dtype=np.uint8))


_BITS_OF_16 = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16)
_BITS_OF_16 = _BITS_OF_16.sum(axis=1, dtype=np.uint8)
