"""The data that a protocol uses: balanced rows of classes, chunks of a raw text, or sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layergeom.arrays import count
from layergeom.errors import InputError
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.lines import read_lines, suffix
from layergeom.tasks.protocols import Protocol
from layergeom.tasks.word_sequences import word_sequences

RAW = ("", ".txt", ".xml")  # files that are one raw text, such as enwik8


@dataclass(frozen=True)
class Selection:
    """Rows that a protocol uses, and what the data fell short of."""

    rows: tuple[int, ...]
    notes: tuple[str, ...]


def selection(recipe: Protocol, samples: Samples, seed: int = 0) -> Selection:
    """Choose the rows that a protocol uses: equal numbers of a number of classes, or all.

    Parameters
    ----------
    recipe : Protocol
        Its ``per_class`` says how many classes and rows.
    samples : Samples
        With labels; rows without one are not chosen.
    seed : int
        Draws the classes and the rows of each.

    Returns
    -------
    Selection
        Row numbers, ascending. Fewer classes or rows than the paper had is a note, not an error.
    """
    everything = tuple(range(len(samples)))
    if recipe.per_class is None:
        return Selection(everything, ())
    if samples.classes is None:
        without = "no labels" if samples.labels is None else "labels that are no classes"
        return Selection(everything, (f"{recipe.name}: {without}, so all rows are used.",))
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for row, label in enumerate(samples.classes):
        if label is not None:
            members.setdefault(label, []).append(row)
    classes, each = recipe.per_class
    names = sorted(members)
    chosen = [names[i] for i in sorted(rng.permutation(len(names))[:classes].tolist())]
    rows = [row for name in chosen for row in rng.permutation(members[name])[:each].tolist()]
    scarce = sum(len(members[name]) < each for name in chosen)
    return Selection(tuple(sorted(rows)), _shortage(recipe, len(chosen), scarce))


def _shortage(recipe: Protocol, found: int, scarce: int) -> tuple[str, ...]:
    classes, each = recipe.per_class or (0, 0)
    notes = []
    if found < classes:
        notes.append(f"{recipe.name}: {found} classes where the paper has {classes}.")
    if scarce:
        notes.append(f"{recipe.name}: {scarce} of {found} classes have fewer than {each} rows.")
    return tuple(notes)


def chunks(
    texts: str | Sequence[str], number: int = 128, length: int = 512, seed: int = 0
) -> dict[int, str]:
    """Return random chunks of a raw text by their offsets in it.

    Parameters
    ----------
    texts : str or sequence of str
        A raw text, or texts to be joined by line breaks.
    number, length : int
        Chunks at most, and characters of each.
    seed : int
        Draws them.

    Returns
    -------
    dict of int to str
        Ascending and without overlap; all chunks where the text holds no more than ``number``.

    Raises
    ------
    InputError
        If the text is shorter than one chunk.

    Notes
    -----
    Razzhigaev et al. 2024, section 3. The text is cut every ``length`` characters from a random
    start, and the cuts that are nothing but blanks are left out.

    Examples
    --------
    >>> chunks("abcdefgh", number=9, length=8)
    {0: 'abcdefgh'}
    """
    text = texts if isinstance(texts, str) else "\n".join(texts)
    if len(text) < length:
        raise InputError(
            f"the text has {len(text)} characters, less than one chunk of {length}; give more text."
        )
    rng = np.random.default_rng(seed)
    spare = len(text) - min(number, len(text) // length) * length
    first = int(rng.integers(min(length, spare + 1)))
    drawn = rng.permutation(np.arange(first, len(text) - length + 1, length)).tolist()
    full = [at for at in drawn if text[at : at + length].strip()]
    return {at: text[at : at + length] for at in sorted(full[:number])}


def chosen_samples(
    recipe: Protocol,
    data: Any,
    *,
    labels: Any = None,
    exclude: Any = None,
    max_samples: Any = None,
    seed: int = 0,
    **reading: Any,
) -> Samples:
    """Read the data and choose rows or chunks as a protocol does.

    Parameters
    ----------
    recipe : Protocol
    data, labels, exclude, max_samples, **reading
        As of :func:`layergeom.states.inputs.read_samples`; all rows unless ``max_samples`` says
        otherwise. A protocol of chunks reads a raw text file, or joins the texts of other data; of
        a protocol of partitions it is the first one.
    seed : int
        Draws rows or chunks.

    Returns
    -------
    Samples
        Its notes say what the data fell short of.

    Raises
    ------
    InputError
        If labels or groups are given to a protocol of chunks or sequences, or the data cannot be
        read.
    """
    if recipe.sequence_words is not None:
        _check_unlabelled(recipe, labels, exclude, reading)
        asked = recipe.partition_rows if max_samples is None else max_samples
        first = partitions(recipe, data, rows=asked, seed=seed, **reading)[0]
        line = f"{recipe.name}: the first partition alone; layergeom partitions measures all."
        return replace(first, notes=(*first.notes, line))
    if recipe.chunks is None:
        samples = read_samples(
            data,
            labels=labels,
            exclude=exclude,
            max_samples="all" if max_samples is None else max_samples,
            seed=seed,
            **reading,
        )
        return _selected(recipe, samples, seed)
    _check_unlabelled(recipe, labels, exclude, reading)
    return _chunked(recipe, _raw_text(data, reading), max_samples, seed)


def partitions(
    recipe: Protocol,
    data: Any,
    *,
    number: int | None = None,
    rows: int | Literal["all"] | None = None,
    seed: int = 0,
    **reading: Any,
) -> tuple[Samples, ...]:
    """Return disjoint random partitions of the sequences that a protocol cuts from texts.

    Parameters
    ----------
    recipe : Protocol
        Its ``sequence_words``, ``partitions`` and ``partition_rows``.
    data, **reading
        Texts, as of :func:`layergeom.states.inputs.read_samples`; a raw file is one text.
    number, rows : int, optional
        Partitions, and sequences of each, in place of the protocol's; ``rows="all"`` deals all.
    seed : int
        Draws and deals the sequences.

    Returns
    -------
    tuple of Samples
        Equally large. Fewer sequences than asked for are a note of each.

    Raises
    ------
    InputError
        If the texts hold fewer sequences than partitions, or the data cannot be read.
    """
    number = count(recipe.partitions if number is None else number, "partitions", 1)
    rows = recipe.partition_rows if rows is None else rows
    wanted = None if rows == "all" else number * count(rows, "rows", 1)
    found = word_sequences(_texts(data, reading), recipe.sequence_words or 0, wanted, seed)
    if len(found) < number:
        raise InputError(
            f"{recipe.name}: the text holds {len(found)} distinct sequences, fewer than {number} "
            "partitions; give more text."
        )
    each = len(found) // number
    names, texts = list(found), list(found.values())
    dealt = [slice(at * each, (at + 1) * each) for at in range(number)]
    parts = [read_samples({"id": names[at], "text": texts[at]}, max_samples="all") for at in dealt]
    if wanted is None or len(found) == wanted:
        return tuple(parts)
    short = f"{recipe.name}: {number} partitions of {each} sequences where {rows} are asked for."
    return tuple(replace(part, notes=(*part.notes, short)) for part in parts)


def _texts(data: Any, reading: dict[str, Any]) -> list[str]:
    if _is_raw(data):
        return [_raw_text(data, reading)]
    samples = read_samples(data, max_samples="all", **reading)
    if samples.kind != "text":
        raise InputError(f"sequences of words are cut from texts, but the data are {samples.kind}.")
    return [str(item) for item in samples.items]


def _check_unlabelled(recipe: Protocol, labels: Any, exclude: Any, reading: dict[str, Any]) -> None:
    if any(value is not None for value in (labels, exclude, reading.get("groups"))):
        what = "a raw text into chunks" if recipe.chunks else "texts into sequences"
        raise InputError(f"{recipe.name} cuts {what}, which have no labels and no groups.")


def _selected(recipe: Protocol, samples: Samples, seed: int) -> Samples:
    chosen = selection(recipe, samples, seed)
    kept = samples if len(chosen.rows) == len(samples) else samples.take(chosen.rows)
    return replace(kept, notes=(*kept.notes, *chosen.notes))


def _chunked(recipe: Protocol, text: str, max_samples: Any, seed: int) -> Samples:
    number, length = recipe.chunks or (0, 0)
    wanted = number if max_samples in (None, "all") else count(max_samples, "max_samples", 1)
    found = chunks(text, wanted, length, seed)
    table = {"id": [f"character {at}" for at in found], "text": list(found.values())}
    samples = read_samples(table, max_samples="all")
    if len(found) == wanted:
        return samples
    short = f"{recipe.name}: the text holds {len(found)} chunks where {wanted} are asked for."
    return replace(samples, notes=(*samples.notes, short))


def _is_raw(data: Any) -> bool:
    return isinstance(data, (str, Path)) and not Path(data).is_dir() and suffix(Path(data)) in RAW


def _raw_text(data: Any, reading: dict[str, Any]) -> str:
    if _is_raw(data):
        return "".join(line for _, line in read_lines(Path(data)))
    return "\n".join(map(str, read_samples(data, max_samples="all", **reading).items))
