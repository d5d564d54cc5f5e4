"""Rows beyond the network's length, read piece by piece in overlapping windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from layergeom.arrays import BoolArray, IntArray
from layergeom.errors import InputError
from layergeom.states.sequences import Sequences

Frame: TypeAlias = "tuple[int, int]"  # special tokens in front of a row and behind it


def frame_of(special: BoolArray) -> Frame:
    """Return how many special tokens stand in front of a row and how many behind it.

    Examples
    --------
    >>> frame_of(np.array([True, False, True, False, True, True]))
    (1, 2)
    """
    words = np.flatnonzero(~special)
    return int(words[0]), len(special) - 1 - int(words[-1])


def cuts(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return where each window of a row begins and ends; the last may be shorter.

    Parameters
    ----------
    tokens : int
        Of the row, without its special tokens.
    room : int
        Tokens of a window.
    stride : int
        Tokens that a window shares with the one before it, less than ``room``.

    Examples
    --------
    >>> cuts(tokens=10, room=6, stride=3)
    [(0, 6), (3, 9), (6, 10)]
    """
    starts = range(0, max(1, tokens - stride), room - stride)
    return [(start, min(start + room, tokens)) for start in starts]


def in_windows(
    whole: Sequences, frames: Mapping[int, Frame], length: int, stride: int | None
) -> Sequences:
    """Cut some of the rows into windows, each between the special tokens of its row.

    Parameters
    ----------
    whole : Sequences
        No row of which is left out.
    frames : mapping of int to (int, int)
        Special tokens in front and behind, of the rows that are cut.
    length : int
        Tokens of a window, special ones included.
    stride : int or None
        Tokens that a window shares with the one before it; None is half a window.

    Returns
    -------
    Sequences
        As many sequences of a row as it has windows; windows in which no token counts are left
        out.

    Raises
    ------
    InputError
        If a window has no room for a new token.

    Notes
    -----
    A token in two windows is fed and counted twice, so tokens in the middle of a row weigh more
    than those at its ends.
    """
    rows: list[int] = []
    spans: list[IntArray] = []
    for row, mask in enumerate(whole.counted):
        everything = [np.arange(len(mask))]
        pieces = _spans(len(mask), frames[row], length, stride) if row in frames else everything
        counting = [span for span in pieces if mask[span].any()]
        rows.extend(row for _ in counting)
        spans.extend(counting)
    return replace(
        whole,
        ids=tuple(whole.ids[row][span] for row, span in zip(rows, spans, strict=True)),
        counted=tuple(whole.counted[row][span] for row, span in zip(rows, spans, strict=True)),
        rows=tuple(rows),
        windowed=tuple(frames),
    )


def _spans(tokens: int, frame: Frame, length: int, stride: int | None) -> list[IntArray]:
    """Positions in the row of each of its windows."""
    front, behind = frame
    room = length - front - behind
    stride = room // 2 if stride is None else stride
    if room < 1 or stride >= room:
        raise InputError(
            f"Windows of {length} tokens with {front + behind} special ones have room for "
            f"{max(room, 0)}, but stride={stride} of them are the window's before; choose a "
            "smaller stride or a larger max_length."
        )
    head, tail = np.arange(front), np.arange(tokens - behind, tokens)
    return [
        np.concatenate([head, np.arange(front + start, front + stop), tail])
        for start, stop in cuts(tokens - front - behind, room, stride)
    ]
