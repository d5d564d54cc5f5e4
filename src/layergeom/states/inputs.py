"""Samples of a model: texts or ready-made tokens, with their ids, labels and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

import numpy as np

from layergeom.arrays import IntArray, count
from layergeom.errors import InputError, InputTypeError
from layergeom.states.content import content_key
from layergeom.states.labels import Labels, row_labels
from layergeom.states.tables import Table, from_columns, is_columnar, read_table

MAX_SAMPLES = 20_000  # rows used when nobody says how many: the exact neighbours take seconds

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
        One per row: the data's column ``id``, otherwise row numbers from 0.
    labels : tuple of str or None, or None
        Class of each row, None where it is missing; None if there are no labels.
    exclude : tuple of str or None, or None
        A finer group per row whose members do not count as neighbours (families within
        superfamilies).
    sampled_from : int
        Number of rows before sampling.
    notes : tuple of str
        One line each: what was assumed, sampled, or found repeated.
    """

    kind: Literal["text", "tokens"]
    items: Items
    ids: tuple[str, ...]
    labels: Labels | None
    exclude: Labels | None
    sampled_from: int
    notes: tuple[str, ...]

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
        A file: ``.txt`` (a text per line), ``.jsonl``, ``.csv`` or ``.tsv``, each also as
        ``.gz``; a `datasets` object, a data frame or a mapping of columns; a list or series of
        texts; or tokens: an integer array (n, T) or a list of sequences of integers.
    text_column : str, int or sequence of these, optional
        The column of the texts; several ("title,text") are joined by a blank. By default
        ``text``, or the only column. In a CSV or TSV file without a header: its number from 0
        ("1,2"), and digits say that there is none.
    labels, exclude : str, int, path or sequence, optional
        A column of the data, a file (one label per line, or columns ``id`` and ``label``), or
        one value per row.
    max_samples : int or "all", optional
        At most so many rows; by default 20,000. A larger set is sampled, in equal numbers per
        label as far as the classes reach, and keeps its order.
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
    ids, id_notes = _ids(table)
    classes, label_notes = row_labels(labels, table, ids, "labels")
    groups, group_notes = row_labels(exclude, table, ids, "exclude")
    notes = (*table.notes, *notes, *id_notes, *label_notes, *group_notes)
    samples = Samples(kind, items, ids, classes, groups, table.n, notes)
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
        return read_table(Path(data), lambda first: _has_header(first, names, numbers))
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
    plain = len(table.columns) == 1 and names == ("text",)
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
    if "text" in table.columns:
        return "text"
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


def _ids(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the rows, and a note if some repeat."""
    given = table.columns.get("id")
    if given is None:
        return tuple(str(row) for row in range(table.n)), ()
    ids = tuple(
        str(row) if value is None or value == "" or value != value else str(value)
        for row, value in enumerate(given)
    )
    repeated = len(ids) - len(set(ids))
    note = f"{repeated} of {len(ids)} ids of {table.source} repeat an earlier one."
    return ids, ((note,) if repeated else ())


def _sampled(samples: Samples, asked: int | Literal["all"] | None, seed: int) -> Samples:
    if asked == "all":
        return samples
    limit = MAX_SAMPLES if asked is None else count(asked, "max_samples", 1)
    n = len(samples)
    if n <= limit:
        return samples
    rows = _balanced(n, samples.labels, limit, seed)
    how = f"seed {seed}"
    if samples.labels is not None:
        how += f", balanced over {len(set(samples.labels))} labels"
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
    keys: Iterable[Hashable] = (
        item if isinstance(item, str) else item.tobytes() for item in samples.items
    )
    repeats = sum(times - 1 for times in Counter(keys).values())
    if not repeats:
        return samples
    what = "texts" if samples.kind == "text" else "token sequences"
    verb = "repeats" if repeats == 1 else "repeat"
    note = f"{repeats:,} of {len(samples):,} {what} {verb} an earlier one."
    return replace(samples, notes=(*samples.notes, note))
