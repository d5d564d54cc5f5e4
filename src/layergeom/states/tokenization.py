"""From texts or token ids to what a network is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from layergeom.arrays import BoolArray, IntArray
from layergeom.errors import InputError
from layergeom.states.sequences import Sequences
from layergeom.states.windows import Frame, frame_of, in_windows
from layergeom.written import counted, percent

Long = Literal["truncate", "skip", "error", "window"]

_NAMED = 3  # rows named in a message


@dataclass(frozen=True)
class Limits:
    """How long an input may be and what happens to a longer one.

    Parameters
    ----------
    length : int or None
        Tokens, special ones included.
    long : {"truncate", "skip", "error", "window"}
        What happens to longer rows.
    unknown : float
        Share of unknown tokens above which the tokenizer is taken to be the wrong one.
    stride : int or None
        Tokens that a window shares with the one before it; None is half a window.
    """

    length: int | None
    long: Long
    unknown: float
    stride: int | None = None


@dataclass(frozen=True)
class Wording:
    """What is done to a text before and while it is tokenized.

    Parameters
    ----------
    prompt : str
        Put before each text.
    lower : bool
        Lower-case the text.
    special : bool
        Special tokens enter the pooling.
    prompt_counts : bool
        The prompt's tokens enter the pooling.
    """

    prompt: str = ""
    lower: bool = False
    special: bool = False
    prompt_counts: bool = True


@dataclass(frozen=True)
class Padding:
    """The token that fills up rows.

    Parameters
    ----------
    code : int
        Its id.
    shared : bool
        It also begins or ends sequences, as where a tokenizer pads with its end token.
    """

    code: int
    shared: bool


def tokenize(
    texts: Sequence[str], names: Sequence[str], tokenizer: Any, wording: Wording, limits: Limits
) -> Sequences:
    """Turn texts into token ids, without padding.

    Parameters
    ----------
    texts : sequence of str
        One per row.
    names : sequence of str
        Ids of the rows, for messages.
    tokenizer : object
        One of transformers'.
    wording : Wording
        Prompt, case, and which tokens count.
    limits : Limits
        Length and what happens beyond it.

    Returns
    -------
    Sequences

    Raises
    ------
    InputError
        For a row without any token, a row that is too long under ``long="error"``, too many
        unknown tokens, or a stride as long as a window.
    """
    told = [wording.prompt + (text.lower() if wording.lower else text) for text in texts]
    encoded = _encode(tokenizer, told)
    ids = [np.asarray(row, dtype=np.int64) for row in encoded["input_ids"]]
    special = [np.asarray(row, dtype=bool) for row in encoded["special_tokens_mask"]]
    wordless = [mask.all() for mask in _special(ids, special, tokenizer)]
    _check_not_empty(
        [not text.strip() or none for text, none in zip(texts, wordless, strict=True)], names
    )
    unknown = _unknown(ids, special, tokenizer, limits)
    too_long = _too_long(ids, names, limits)
    if limits.long == "truncate" and too_long:
        cut = _encode(
            tokenizer, [told[i] for i in too_long], truncation=True, max_length=limits.length
        )
        for i, row, mask in zip(
            too_long, cut["input_ids"], cut["special_tokens_mask"], strict=True
        ):
            ids[i], special[i] = np.asarray(row, dtype=np.int64), np.asarray(mask, dtype=bool)
    outside = _special(ids, special, tokenizer)
    counted = _counted(outside, wording, _prompt_length(tokenizer, wording))
    whole = _kept(ids, counted, too_long, limits, unknown, names)
    return _cut(whole, {i: frame_of(special[i]) for i in too_long}, limits)


def check_tokens(
    items: Sequence[Any],
    names: Sequence[str],
    vocabulary: int | None,
    limits: Limits,
    padding: Padding | None = None,
) -> Sequences:
    """Take token ids as they are, without padding at either end: every other position counts.

    Parameters
    ----------
    items : sequence of integer sequences, or integer array, shape (n, T)
        Token ids.
    names : sequence of str
        Ids of the rows, for messages.
    vocabulary : int or None
        Ids must lie in [0, vocabulary).
    limits : Limits
        Length and what happens beyond it.
    padding : Padding or None
        What is taken off both ends of a row; None leaves rows as they are. A token that may also
        begin or end a sequence is left there once and refused when repeated.

    Returns
    -------
    Sequences

    Raises
    ------
    InputError
        For an empty row, ids that are no whole numbers or outside of the vocabulary, a row
        that is too long under ``long="error"``, or one that ends in what may be padding or not.
    """
    rows = zip(items, names, strict=True)
    ids = [_unpadded(_token_row(row, name, vocabulary), name, padding) for row, name in rows]
    too_long = _too_long(ids, names, limits)
    if limits.long == "truncate":
        for i in too_long:
            ids[i] = ids[i][: limits.length]
    counted = [np.ones(len(row), dtype=bool) for row in ids]
    whole = _kept(ids, counted, too_long, limits, 0, names)
    return _cut(whole, dict.fromkeys(too_long, (0, 0)), limits)


def _encode(tokenizer: Any, texts: list[str], **options: Any) -> Any:
    return tokenizer(
        texts,
        add_special_tokens=True,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        **{"padding": False, "truncation": False, **options},
    )


def _special(ids: list[IntArray], added: list[BoolArray], tokenizer: Any) -> list[BoolArray]:
    """Find the special tokens that were added, and those that stand in the text itself.

    What is masked or unknown there stands for a word.
    """
    known = set(getattr(tokenizer, "all_special_ids", ()))
    words = {getattr(tokenizer, f"{name}_token_id", None) for name in ("mask", "unk")}
    marks = sorted(known - words)
    return [mask | np.isin(row, marks) for row, mask in zip(ids, added, strict=True)]


def _check_not_empty(empty: Sequence[Any], names: Sequence[str]) -> None:
    rows = [i for i, flag in enumerate(empty) if flag]
    if rows:
        others = counted(len(rows) - 1, "more row", "more rows")
        more = f" and {others}" if len(rows) > 1 else ""
        raise InputError(
            f"Row {rows[0]} (id {names[rows[0]]!r}){more} holds no tokens; remove empty rows."
        )


def _unknown(ids: list[IntArray], special: list[BoolArray], tokenizer: Any, limits: Limits) -> int:
    code = getattr(tokenizer, "unk_token_id", None)
    if code is None:
        return 0
    words = sum(int((~mask).sum()) for mask in special)
    unknown = sum(
        int(((row == code) & ~mask).sum()) for row, mask in zip(ids, special, strict=True)
    )
    if unknown > limits.unknown * words:
        raise InputError(
            f"{percent(unknown / words, 1)} of the tokens ({unknown} of {words}) are unknown to "
            f"the tokenizer, more than {percent(limits.unknown)}; give data in its language and "
            "alphabet, or allow more with max_unknown."
        )
    return unknown


def _too_long(ids: list[IntArray], names: Sequence[str], limits: Limits) -> list[int]:
    if limits.length is None:
        return []
    rows = [i for i, row in enumerate(ids) if len(row) > limits.length]
    if rows and limits.long == "error":
        raise InputError(
            f"{counted(len(rows), 'row is', 'rows are')} longer than {limits.length} tokens "
            f"({list_rows(rows, names)}); raise max_length, or choose long='truncate' or "
            "long='skip'."
        )
    return rows


def _counted(special: list[BoolArray], wording: Wording, prompt: int) -> list[BoolArray]:
    counted = [np.ones(len(mask), dtype=bool) if wording.special else ~mask for mask in special]
    for row in counted:
        row[:prompt] = False
    return counted


def _prompt_length(tokenizer: Any, wording: Wording) -> int:
    """Tokens at the beginning that do not count: the prompt's, with what stands before it."""
    if wording.prompt_counts or not wording.prompt:
        return 0
    ids = _encode(tokenizer, [wording.prompt])["input_ids"][0]
    return len(ids) - int(ids[-1] in tokenizer.all_special_ids)


def _kept(
    ids: list[IntArray],
    counted: list[BoolArray],
    too_long: list[int],
    limits: Limits,
    unknown: int,
    names: Sequence[str],
) -> Sequences:
    skipped = set(too_long) if limits.long == "skip" else set()
    rows = tuple(i for i in range(len(ids)) if i not in skipped)
    if not rows:
        raise InputError(
            f"All {len(ids)} rows are longer than {limits.length} tokens; raise max_length or "
            "choose long='truncate'."
        )
    _check_not_empty([i not in skipped and not row.any() for i, row in enumerate(counted)], names)
    return Sequences(
        tuple(ids[i] for i in rows),
        tuple(counted[i] for i in rows),
        rows,
        truncated=tuple(too_long) if limits.long == "truncate" else (),
        skipped=tuple(sorted(skipped)),
        unknown=unknown,
    )


def _cut(whole: Sequences, frames: Mapping[int, Frame], limits: Limits) -> Sequences:
    if limits.long != "window" or limits.length is None or not frames:
        return whole
    return in_windows(whole, frames, limits.length, limits.stride)


def _token_row(row: Any, name: str, vocabulary: int | None) -> IntArray:
    array = np.asarray(row)
    if array.ndim != 1 or not len(array):
        raise InputError(f"Row {name!r} must be a non-empty sequence of token ids.")
    if array.dtype.kind not in "iu":
        raise InputError(
            f"Row {name!r} holds {array.dtype} values, but token ids are whole numbers."
        )
    top = np.iinfo(np.int64).max if vocabulary is None else vocabulary
    if array.min() < 0 or array.max() >= top:
        raise InputError(
            f"Row {name!r} holds token ids from {array.min()} to {array.max()}, but the model "
            f"knows 0 to {top - 1}."
        )
    return array.astype(np.int64)


def _unpadded(row: IntArray, name: str, padding: Padding | None) -> IntArray:
    if padding is None:
        return row
    real = np.flatnonzero(row != padding.code)
    first, end = (int(real[0]), int(real[-1]) + 1) if len(real) else (len(row), len(row))
    if not padding.shared and not len(real):
        raise InputError(f"Row {name!r} holds nothing but padding (id {padding.code}); remove it.")
    if padding.shared and max(first, len(row) - end) > 1:
        raise InputError(
            f"Row {name!r} begins or ends with several tokens {padding.code}, which may be padding "
            "or marks of beginnings and ends; give every row in its own length."
        )
    return row if padding.shared else row[first:end]


def list_rows(rows: Sequence[int], names: Sequence[str]) -> str:
    """Name the first few rows by number and id."""
    shown = ", ".join(f"row {i} (id {names[i]!r})" for i in rows[:_NAMED])
    return shown + (" …" if len(rows) > _NAMED else "")
