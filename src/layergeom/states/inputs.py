"""Samples of a model: texts or ready-made tokens, with their ids, labels and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

import numpy as np

from layergeom.arrays import IntArray, count
from layergeom.errors import InputError, InputTypeError
from layergeom.states.content import content_key
from layergeom.states.datafiles import read_data
from layergeom.states.labels import Labels, row_labels
from layergeom.states.lines import listed
from layergeom.states.tables import Table, from_columns, is_columnar

MAX_SAMPLES = 20_000  # rows used when nobody says how many: the exact neighbours take seconds
LEAST = 2  # rows per label in a balanced sample: one alone has no neighbour with its label
TEXTS = ("text", "sequence", "tokens", "input_ids")  # columns of the texts or tokens, unasked
IDS = ("id", "sid")  # columns of the ids; sid is SCOPe's

Columns: TypeAlias = "str | int | Sequence[str | int] | None"
Items: TypeAlias = "tuple[str, ...] | tuple[IntArray, ...]"
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Samples:
    """What a model is run on, in the data's order.

    Attributes
    ----------
    kind : {"text", "tokens"}
        Whether ``items`` are texts or int64 arrays of token ids.
    items : tuple
        One text, or one array of token ids, per row.
    ids : tuple of str
        One per row: the data's column ``id`` or ``sid``, of a FASTA file the first words of the
        headers, otherwise row numbers from 0.
    labels : tuple of str or None, or None
        Class of each row, None where it is missing; None if there are no labels.
    exclude : tuple of str or None, or None
        A finer group per row whose members do not count as neighbours (families within
        superfamilies).
    sampled_from : int
        Number of rows before sampling.
    notes : tuple of str
        One line each: what was assumed, sampled, or found repeated.
    counts : mapping of str to int
        By name, over all rows before sampling: sequences that were changed or are unusual, ids
        that repeat, rows without labels, ids of label files that no row has.
    groups : tuple of str or None, or None
        Rows that are no independent samples of each other (a protein cluster, the document of a
        chunk); None of a row: it stands for itself.
    """

    kind: Literal["text", "tokens"]
    items: Items
    ids: tuple[str, ...]
    labels: Labels | None
    exclude: Labels | None
    sampled_from: int
    notes: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    groups: Labels | None = None

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the items in their order; labels do not enter."""
        return content_key(self.kind, self.items)

    def take(self, rows: Iterable[int]) -> Samples:
        """Return the samples of these row numbers, in their order."""
        kept = [int(row) for row in rows]
        return replace(
            self,
            items=_rows(self.items, kept),
            ids=tuple(self.ids[row] for row in kept),
            labels=_taken(self.labels, kept),
            exclude=_taken(self.exclude, kept),
            groups=_taken(self.groups, kept),
        )


def read_samples(
    data: Any,
    *,
    text_column: Columns = None,
    labels: Any = None,
    exclude: Any = None,
    max_samples: int | Literal["all"] | None = None,
    seed: int = 0,
) -> Samples:
    """Read texts or tokens with their labels, and sample them if there are too many.

    Parameters
    ----------
    data : path or object
        A file: ``.txt`` (a text per line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.fasta``, each
        also as ``.gz``, or ``.npz`` (an array per column); a `datasets` object or a folder in
        which one was saved; a data frame or a mapping of columns; a list or series of texts; or
        tokens: an integer array (n, T) or a list of sequences of integers.
    text_column : str, int or sequence of these, optional
        The column of the texts; several ("title,text") are joined by a blank. By default
        ``text``, ``sequence``, ``tokens`` or ``input_ids``, or the only column. In a CSV or TSV
        file without a header: its number from 0 ("1,2"), and digits say that there is none.
    labels, exclude : str, int, path or sequence, optional
        A column of the data, a file (one label per line, or columns ``id`` and ``label``), a
        column of a file (``"table.tsv:topic"``), or one value per row. Where a column or a list
        of domains holds SCOPe's or CATH's codes, also a level of these: ``"superfamily"``,
        ``"dir.cla.txt:superfamily"``. Files with ids may label a part of the rows; see
        :func:`layergeom.states.labels.row_labels`.
    max_samples : int or "all", optional
        At most so many rows; by default 20,000. A larger set is sampled, in equal numbers per
        label as far as the classes reach (but at random, where that were fewer than two), and
        keeps its order.
    seed : int
        Seed of the sampling.

    Returns
    -------
    Samples
        Its notes say what was assumed, sampled and repeated.

    Raises
    ------
    InputError
        If a file cannot be read, a column does not exist, a text is empty, or labels have
        another length than the data: the message names file and line.
    InputTypeError
        If the data are of a type that holds neither texts nor tokens.

    Notes
    -----
    A file is read as a whole, also where few of its rows are used.

    Examples
    --------
    >>> samples = read_samples(["a cat", "a dog", "a cat"], labels=[0, 1, 0])
    >>> samples.labels
    ('0', '1', '0')
    >>> samples.notes
    ('1 of 3 texts repeats an earlier one.',)
    """
    table = _table(data, _column_names(text_column), labels)
    kind, items, notes = _items(table, text_column)
    ids, id_notes, repeated = _ids(table, items)
    classes = row_labels(labels, table, ids, "labels")
    groups = row_labels(exclude, table, ids, "exclude")
    of_labels = dict.fromkeys((*classes.notes, *groups.notes))  # both may be of one file
    notes = (*table.notes, *notes, *id_notes, *of_labels)
    counts = {**table.counts, **repeated, **classes.counts, **groups.counts}
    samples = Samples(kind, items, ids, classes.labels, groups.labels, table.n, notes, counts)
    return _with_repeats(_sampled(samples, max_samples, seed))


def _rows(items: Items, rows: list[int]) -> Items:
    taken: Any = tuple(items[row] for row in rows)
    return cast("Items", taken)


def _taken(values: Sequence[T] | None, rows: list[int]) -> tuple[T, ...] | None:
    return None if values is None else tuple(values[row] for row in rows)


def _column_names(text_column: Columns) -> tuple[str, ...]:
    if text_column is None:
        return ()
    if isinstance(text_column, (str, int)):
        return (str(text_column),)
    return tuple(str(name) for name in text_column)


def _table(data: Any, names: tuple[str, ...], labels: Any) -> Table:
    if isinstance(data, (str, Path)):
        numbers = [part for name in names for part in name.split(",")]
        if isinstance(labels, (str, int)):
            numbers.append(str(labels))
        return read_data(Path(data), lambda first: _has_header(first, names, numbers))
    if is_columnar(data):
        return from_columns(data, "data")
    return _listed(data)


def _has_header(first: Sequence[str], names: tuple[str, ...], numbers: list[str]) -> bool:
    """No header where the texts' columns are numbers that the first row does not hold."""
    if not names or not all(part.strip().isdigit() for name in names for part in name.split(",")):
        return True
    return all(number in first for number in numbers)


def _listed(data: Any) -> Table:
    if hasattr(data, "detach") and hasattr(data, "cpu"):
        data = data.detach().cpu().numpy()
    if isinstance(data, (bytes, bytearray)) or not hasattr(data, "__len__"):
        raise InputTypeError(
            f"Samples cannot be read from {type(data).__name__}; pass a file, a dataset, a list "
            "of texts or an array of token ids."
        )
    rows = list(data)
    if not rows:
        raise InputError("The data hold no rows; at least one sample is needed.")
    return Table("data", {"text": rows}, len(rows))


def _items(
    table: Table, asked: Columns
) -> tuple[Literal["text", "tokens"], Items, tuple[str, ...]]:
    names = _text_columns(table, _column_names(asked))
    columns = [table.column(name) for name in names]
    if len(columns) == 1 and not isinstance(columns[0][0], str) and _is_row(columns[0][0]):
        rows = tuple(_tokens(row, table.place(i)) for i, row in enumerate(columns[0]))
        return "tokens", rows, ()
    rows_of_texts = zip(*columns, strict=True)
    texts = tuple(_text(parts, table, row) for row, parts in enumerate(rows_of_texts))
    plain = names == (table.texts,) or (len(table.columns) == 1 and names == ("text",))
    notes = () if plain else (_columns_note(names, table),)
    return "text", texts, notes


def _columns_note(names: tuple[str, ...], table: Table) -> str:
    joined = " and ".join(repr(name) for name in names)
    how = "columns" if len(names) > 1 else "column"
    return f"The texts are the {how} {joined} of {table.source}."


def _text_columns(table: Table, asked: tuple[str, ...]) -> tuple[str, ...]:
    if not asked:
        return (_default_column(table),)
    if len(asked) == 1 and asked[0] not in table.columns:
        asked = tuple(part.strip() for part in asked[0].split(","))
    return asked


def _default_column(table: Table) -> str:
    if known := [name for name in TEXTS if name in table.columns]:
        return known[0]
    if len(table.columns) == 1:
        return next(iter(table.columns))
    raise InputError(
        f"{table.source} has no column 'text', so name one with text_column; {table.listing()} (a "
        "CSV or TSV file without a header takes numbers: text_column=0)."
    )


def _text(parts: Sequence[Any], table: Table, row: int) -> str:
    for part in parts:
        if not isinstance(part, str):
            found = "missing" if part is None or part != part else f"a {type(part).__name__}"
            raise InputTypeError(f"{table.place(row)}: the text is {found}; give every row a text.")
    text = " ".join(part for part in parts if part.strip()) if len(parts) > 1 else str(parts[0])
    if not text.strip():
        raise InputError(f"{table.place(row)}: the text is empty; remove the row or fill it.")
    return text


def _is_row(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (bytes, dict))


def _tokens(row: Any, place: str) -> IntArray:
    if hasattr(row, "detach") and hasattr(row, "cpu"):
        row = row.detach().cpu().numpy()
    try:
        ids = np.asarray(row)
    except ValueError:
        ids = np.empty((0, 0), dtype=object)
    if ids.ndim == 1 and not len(ids):
        raise InputError(f"{place}: the sequence is empty; remove the row or fill it.")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputTypeError(
            f"{place}: tokens are a sequence of whole numbers per row, but this has dtype "
            f"{ids.dtype} and {ids.ndim} dimensions (hidden states enter as stored states)."
        )
    if int(ids.min()) < 0 or int(ids.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{place}: token ids must be ≥ 0 but the least is {ids.min()}.")
    return ids.astype(np.int64)


def _ids(table: Table, items: Items) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, int]]:
    """Ids of the rows, and a note and counts if some repeat."""
    given = next((table.columns[name] for name in IDS if name in table.columns), None)
    if given is None:
        return tuple(str(row) for row in range(table.n)), (), {}
    ids = tuple(
        str(row) if value is None or value == "" or value != value else str(value)
        for row, value in enumerate(given)
    )
    repeated = len(ids) - len(set(ids))
    if not repeated:
        return ids, (), {}
    ambiguous = _ambiguous(ids, items)
    note = f"{repeated} of {len(ids)} ids of {table.source} repeat an earlier one"
    if ambiguous:
        note += (
            f"; {len(ambiguous)} stand for different rows, which share what a file gives the id: "
            f"{listed(ambiguous)}"
        )
    return ids, (f"{note}.",), {"ids_repeated": repeated, "ids_ambiguous": len(ambiguous)}


def _ambiguous(ids: Sequence[str], items: Items) -> list[str]:
    """Ids that stand for different items."""
    first: dict[str, Hashable] = {}
    keys = (_content(item) for item in items)
    pairs = zip(ids, keys, strict=True)
    return list(dict.fromkeys(name for name, key in pairs if first.setdefault(name, key) != key))


def _content(item: str | IntArray) -> Hashable:
    return item if isinstance(item, str) else item.tobytes()


def _sampled(samples: Samples, asked: int | Literal["all"] | None, seed: int) -> Samples:
    if asked == "all":
        return samples
    limit = MAX_SAMPLES if asked is None else count(asked, "max_samples", 1)
    n = len(samples)
    if n <= limit:
        return samples
    classes = set(samples.labels or ()) - {None}
    balanced = 0 < LEAST * len(classes) <= limit
    rows = _balanced(n, samples.labels if balanced else None, limit, seed)
    how = f"seed {seed}"
    if classes:
        how += f", {'' if balanced else 'too few rows to be '}balanced over {len(classes)} labels"
    note = f"{limit:,} of {n:,} rows were sampled ({how}); max_samples='all' uses every row."
    return replace(samples.take(rows), notes=(*samples.notes, note))


def _balanced(n: int, labels: Labels | None, limit: int, seed: int) -> list[int]:
    """``limit`` of ``n`` rows in order, as equal in number over the labels as these allow."""
    order = np.random.default_rng(seed).permutation(n).tolist()
    if labels is None:
        return sorted(order[:limit])
    queues: dict[str | None, list[int]] = {}
    for row in order:
        queues.setdefault(labels[row], []).append(row)
    # the j-th row of every class comes before the (j+1)-th of any: equal shares until one is empty
    ranked = sorted(
        (j, place, row) for place, q in enumerate(queues.values()) for j, row in enumerate(q)
    )
    return sorted(row for _, _, row in ranked[:limit])


def _with_repeats(samples: Samples) -> Samples:
    repeats = sum(times - 1 for times in Counter(map(_content, samples.items)).values())
    if not repeats:
        return samples
    what = "texts" if samples.kind == "text" else "token sequences"
    verb = "repeats" if repeats == 1 else "repeat"
    note = f"{repeats:,} of {len(samples):,} {what} {verb} an earlier one."
    return replace(samples, notes=(*samples.notes, note))
