"""Rows of tokens with their blocks in random order: from the text as it is to no order at all."""

from __future__ import annotations

import zlib

import numpy as np

from layergeom.arrays import IntArray, count


def block_sizes(tokens: int, base: int = 4) -> tuple[int, ...]:
    """Return the tokens of a block at every level of shuffling, from the whole row to one token.

    Parameters
    ----------
    tokens : int
        Of a row.
    base : int
        At level S a row has base**S blocks, as far as there are tokens.

    Examples
    --------
    >>> block_sizes(1024)
    (1024, 256, 64, 16, 4, 1)
    >>> block_sizes(512)
    (512, 128, 32, 8, 2, 1)
    """
    sizes = [count(tokens, "tokens", 1)]
    while sizes[-1] > 1:
        sizes.append(max(1, sizes[-1] // count(base, "base", 2)))
    return tuple(sizes)


def shuffled_blocks(row: IntArray, size: int, seed: int = 0) -> IntArray:
    """Return a row with its blocks in random order; their insides keep their order.

    Parameters
    ----------
    row : ndarray of int
        Token ids; they enter the seed, so that equal rows are shuffled alike.
    size : int
        Tokens of a block; the last block may be shorter. A block as long as the row changes
        nothing, blocks of one token leave no order.
    seed : int

    Notes
    -----
    Viswanathan et al. 2025 (arXiv 2501.10573), section 4: blocks of 1,024 tokens over a power of 4.

    Examples
    --------
    >>> found = shuffled_blocks(np.arange(6), 2, seed=3)
    >>> sorted(found.tolist()), found.reshape(3, 2)[:, 0] + 1 == found.reshape(3, 2)[:, 1]
    ([0, 1, 2, 3, 4, 5], array([ True,  True,  True]))
    """
    starts = np.arange(0, len(row), count(size, "size", 1))
    digest = zlib.crc32(np.ascontiguousarray(row).tobytes())
    order = np.random.default_rng([seed, size, digest]).permutation(len(starts))
    return np.concatenate([row[at : at + size] for at in starts[order].tolist()])
