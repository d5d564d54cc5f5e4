"""Sequences of so many words, cut from texts, drawn and dealt into partitions; and shuffled."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from layergeom.arrays import count
from layergeom.errors import InputError


def word_sequences(
    texts: Sequence[str], length: int = 20, number: int | None = None, seed: int = 0
) -> dict[str, str]:
    """Return distinct sequences of words, by where they stand, in random order.

    Parameters
    ----------
    texts : sequence of str
        Sequences do not cross from one text to the next.
    length : int
        Words of each: what stands between blanks.
    number : int, optional
        Sequences at most; all by default.
    seed : int
        Draws and orders them.

    Returns
    -------
    dict of str to str
        Named ``text t, word w`` from 0. The texts are cut every ``length`` words from their first
        one; the rest of a text is left out, and of equal sequences all but the first.

    Raises
    ------
    InputError
        If no text is as long as one sequence, or a number is no whole number above 0.

    Examples
    --------
    >>> word_sequences(["a b c d e", "a b"], length=2, number=9, seed=1)
    {'text 0, word 0': 'a b', 'text 0, word 2': 'c d'}
    """
    count(length, "length", 1)
    found: dict[str, str] = {}
    for t, text in enumerate(texts):
        words = text.split()
        for w in range(0, len(words) - length + 1, length):
            found.setdefault(" ".join(words[w : w + length]), f"text {t}, word {w}")
    if not found:
        raise InputError(f"no text has {length} words, the length of one sequence; give more text.")
    distinct = list(found.items())
    wanted = len(distinct) if number is None else count(number, "number", 1)
    order = np.random.default_rng(seed).permutation(len(distinct))[:wanted].tolist()
    return {distinct[at][1]: distinct[at][0] for at in order}


def shuffled_words(text: str, seed: int = 0) -> str:
    """Return the words of a text in random order; the text itself enters the seed.

    Examples
    --------
    >>> sorted(shuffled_words("a b c d e f").split())
    ['a', 'b', 'c', 'd', 'e', 'f']
    >>> shuffled_words("a b c d e f") == shuffled_words("a b c d e f")
    True
    """
    words = text.split()
    rng = np.random.default_rng([seed, zlib.crc32(text.encode())])
    return " ".join(words[at] for at in rng.permutation(len(words)).tolist())
