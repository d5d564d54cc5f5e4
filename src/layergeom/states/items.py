"""What a model is fed: the texts, rows of tokens or images that a table holds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from layergeom.arrays import IntArray
from layergeom.errors import InputError, InputTypeError
from layergeom.states.images import Images
from layergeom.states.tables import Table

TEXTS = ("text", "sequence", "tokens", "input_ids")  # columns of the texts or tokens, unasked

Kind: TypeAlias = Literal["text", "tokens", "image"]
Columns: TypeAlias = "str | int | Sequence[str | int] | None"
Items: TypeAlias = "tuple[str, ...] | tuple[IntArray, ...] | Images"


def items_of(table: Table, asked: Columns) -> tuple[Kind, Items, tuple[str, ...]]:
    """Take the texts, tokens or images of a table.

    Parameters
    ----------
    table : Table
        The data.
    asked : str, int, sequence of these, or None
        The column; several columns of texts are joined by a blank.

    Returns
    -------
    kind : {"text", "tokens", "image"}
    items : tuple of str, tuple of int64 arrays, or Images
        One per row.
    notes : tuple of str
        Which columns they are, where that is not plain.

    Raises
    ------
    InputError
        If the column does not exist or a row is empty.
    InputTypeError
        If a row holds neither text nor tokens nor an image.
    """
    names = item_columns(table, asked)
    columns = [table.column(name) for name in names]
    if len(columns) == 1 and isinstance(columns[0], Images):
        return "image", columns[0], ()
    if len(columns) == 1 and not isinstance(columns[0][0], str) and _is_row(columns[0][0]):
        rows = tuple(_tokens(row, table.place(i)) for i, row in enumerate(columns[0]))
        return "tokens", rows, ()
    rows_of_texts = zip(*columns, strict=True)
    texts = tuple(_text(parts, table, row) for row, parts in enumerate(rows_of_texts))
    plain = names == (table.texts,) or (len(table.columns) == 1 and names == ("text",))
    notes = () if plain else (_columns_note(names, table),)
    return "text", texts, notes


def column_names(asked: Columns) -> tuple[str, ...]:
    """Return the names of the columns that are asked for; () if nobody asks."""
    if asked is None:
        return ()
    if isinstance(asked, (str, int)):
        return (str(asked),)
    return tuple(str(name) for name in asked)


def contents(items: Items) -> Sequence[Hashable]:
    """Return what tells the items apart: equal contents are the same input."""
    if isinstance(items, Images):
        return items.digests
    return [item if isinstance(item, str) else item.tobytes() for item in items]


def _columns_note(names: tuple[str, ...], table: Table) -> str:
    joined = " and ".join(repr(name) for name in names)
    how = "columns" if len(names) > 1 else "column"
    return f"The texts are the {how} {joined} of {table.source}."


def item_columns(table: Table, asked: Columns) -> tuple[str, ...]:
    """Return the columns that texts, tokens or images are taken from.

    Raises
    ------
    InputError
        If none is asked for, and none is meant without a word.
    """
    names = column_names(asked)
    if not names:
        return (_default_column(table),)
    if len(names) == 1 and names[0] not in table.columns:
        names = tuple(part.strip() for part in names[0].split(","))
    return names


def _default_column(table: Table) -> str:
    if known := [name for name in TEXTS if name in table.columns]:
        return known[0]
    pictures = [name for name, column in table.columns.items() if isinstance(column, Images)]
    if len(pictures) == 1:
        return pictures[0]
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
            f"{ids.dtype} and {ids.ndim} dimensions (hidden states enter as stored states, images "
            "as uint8)."
        )
    if int(ids.min()) < 0 or int(ids.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{place}: token ids must be ≥ 0 but the least is {ids.min()}.")
    return ids.astype(np.int64)
