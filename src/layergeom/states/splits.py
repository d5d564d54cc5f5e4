"""Splits of data: the rows of one value of a column, or one part of a saved dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layergeom.errors import InputError, InputTypeError
from layergeom.states.lines import listed
from layergeom.states.tables import Table

SPLIT = "split"  # the column that is meant where only a value is given


def part_of_dataset(data: Any, split: str | None) -> tuple[Any, str | None]:
    """Choose the split of a `datasets` object that has several.

    Parameters
    ----------
    data : object
        Anything; only a ``DatasetDict`` is looked into.
    split : str or None
        The name of the split.

    Returns
    -------
    data : object
        The split, or the data as they are.
    split : str or None
        What is still to be chosen: None once it was.

    Raises
    ------
    InputError
        For an unknown split; the message lists those there are.
    """
    splits = getattr(data, "column_names", None)
    if split is None or not isinstance(splits, Mapping):
        return data, split
    if split not in splits:
        raise _unknown(split, "the dataset", list(map(str, splits)))
    return data[split], None


def rows_of_split(table: Table, split: str | None) -> Table:
    """Keep the rows of one split.

    Parameters
    ----------
    table : Table
        All rows.
    split : str or None
        ``"column:value"``, or a value of the column ``split``; None keeps all rows.

    Raises
    ------
    InputError
        If there is no such column or value; the message lists those there are.
    InputTypeError
        If ``split`` is no text.

    Examples
    --------
    >>> table = Table("data", {"text": ["a", "b", "c"], "split": ["train", "test", "test"]}, 3)
    >>> rows_of_split(table, "test").columns["text"]
    ['b', 'c']
    >>> rows_of_split(table, "text:a").notes
    ("The split 'text:a' has 1 of the 3 rows of data.",)
    """
    if split is None:
        return table
    if not isinstance(split, str):
        raise InputTypeError(f"split must be a text such as 'test', not {type(split).__name__}.")
    column, value = _column_and_value(table, split)
    values = [_text(entry) for entry in table.columns[column]]
    rows = [row for row, entry in enumerate(values) if entry == value]
    if not rows:
        known = list(dict.fromkeys(entry for entry in values if entry))
        raise _unknown(value, f"the column {column!r} of {table.source}", known)
    note = f"The split {split!r} has {len(rows):,} of the {table.n:,} rows of {table.source}."
    return replace(table.take(rows), notes=(*table.notes, note))


def _column_and_value(table: Table, split: str) -> tuple[str, str]:
    """Take a split apart; a column's name may hold a colon, and so may a value."""
    heads = (split[:at] for at, sign in enumerate(split) if sign == ":")
    if named := [head for head in heads if head in table.columns]:
        return named[-1], split[len(named[-1]) + 1 :]
    if SPLIT in table.columns:
        return SPLIT, split
    raise InputError(
        f"{table.source} has no column {split.partition(':')[0]!r} for split={split!r}; "
        f"{table.listing()}. Give split='column:value', or only a value of a column named 'split'."
    )


def _text(value: Any) -> str:
    """Return a cell as text, whole numbers without a fraction."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value % 1 == 0 else str(value)


def _unknown(value: str, where: str, known: Sequence[str]) -> InputError:
    return InputError(f"There is no split {value!r} in {where}; there are {listed(known, 10)}.")
