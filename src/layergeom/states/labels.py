"""Labels and groups of samples: from a column, from a file of their own, or from a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from layergeom.errors import InputError, InputTypeError
from layergeom.states.lines import read_lines, suffix
from layergeom.states.tables import Table, read_table

Labels: TypeAlias = "tuple[str | None, ...]"

LABEL_FILES = {".txt", ".csv", ".tsv"}


def row_labels(
    source: Any, table: Table, ids: Sequence[str], role: str
) -> tuple[Labels | None, tuple[str, ...]]:
    """Return one label per row as text, None where it is missing, and notes on the way there.

    Parameters
    ----------
    source : None, str, int, path or sequence
        A column of ``table``, a file, or the labels themselves.
    table : Table
        The samples.
    ids : sequence of str
        What a file of ids and labels refers to.
    role : str
        "labels" or "exclude", for messages.

    Raises
    ------
    InputError
        For an unknown column or file, a length other than the number of rows (both are named),
        labels of several columns, or real numbers.
    """
    if source is None:
        return None, ()
    if isinstance(source, (str, int, Path)) and not isinstance(source, bool):
        return _named(source, table, ids, role)
    return _per_row(_sequence(source, role), table, role), ()


def labels_of_rows(
    source: Any, ids: Sequence[str], role: str
) -> tuple[Labels | None, tuple[str, ...]]:
    """Return one label per row of hidden states, from a file or a sequence, and notes.

    Raises
    ------
    InputError
        As :func:`row_labels`.
    """
    return row_labels(source, Table("the hidden states", {}, len(ids)), ids, role)


def _named(
    source: str | int | Path, table: Table, ids: Sequence[str], role: str
) -> tuple[Labels, tuple[str, ...]]:
    name = str(source)
    if not isinstance(source, Path) and name in table.columns:
        return _per_row(table.columns[name], table, role), ()
    path = Path(name)
    if path.is_file():
        return _from_file(path, table, ids, role)
    if suffix(path) in LABEL_FILES or isinstance(source, Path):
        raise InputError(f"There is no file {path} for {role}; check the name and the folder.")
    raise InputError(
        f"{table.source} has no column {name!r} for {role}, and there is no such file; "
        f"{table.listing()}."
    )


def _from_file(
    path: Path, table: Table, ids: Sequence[str], role: str
) -> tuple[Labels, tuple[str, ...]]:
    if suffix(path) not in LABEL_FILES:
        raise InputError(f"{path} holds no {role}; use .txt (one per line), .csv or .tsv.")
    if suffix(path) == ".txt":
        lines = [line.rstrip("\r\n") for _, line in read_lines(path)]
        return _per_row(lines, table, role, path.name), ()
    known = set(ids)
    found = read_table(path, lambda first: len(first) > 1 and first[0] not in known)
    if len(found.columns) == 1:
        return _one_column(found, table, role)
    return _matched(found, ids, role)


def _one_column(found: Table, table: Table, role: str) -> tuple[Labels, tuple[str, ...]]:
    """One label per line; a line more than there are rows can only be the header."""
    (values,) = found.columns.values()
    if found.n == table.n + 1:
        note = f"The first line of {found.source}, {values[0]!r}, was read as the header of {role}."
        return _per_row(values[1:], table, role, found.source), (note,)
    return _per_row(values, table, role, found.source), ()


def _matched(found: Table, ids: Sequence[str], role: str) -> tuple[Labels, tuple[str, ...]]:
    """Labels by id; the rows of the file may stand in any order."""
    named, values = _id_and_label(found, role)
    by_id: dict[str, Any] = {}
    for row, (name, value) in enumerate(zip(named, values, strict=True)):
        if by_id.setdefault(name, value) != value:
            raise InputError(f"{found.place(row)} gives the id {name!r} a second, other label.")
    matched = sum(name in by_id for name in ids)
    if not matched:
        raise InputError(
            f"{found.source} labels none of the {len(ids)} samples: its first id is {named[0]!r}, "
            f"theirs is {ids[0]!r}."
        )
    notes = found.notes
    if matched < len(ids):
        notes += (f"{len(ids) - matched} of {len(ids)} samples have no {role} in {found.source}.",)
    return tuple(_text(by_id.get(name), found.source) for name in ids), notes


def _id_and_label(found: Table, role: str) -> tuple[Sequence[str], Sequence[Any]]:
    if len(found.columns) == 2 and "id" not in tuple(found.columns)[1:]:
        first, second = found.columns.values()
        return first, second
    wanted = [name for name in ("label", role) if name in found.columns]
    if "id" not in found.columns or not wanted:
        raise InputError(
            f"{found.source} must have the columns 'id' and 'label'; {found.listing()}."
        )
    return found.columns["id"], found.columns[wanted[0]]


def _sequence(source: Any, role: str) -> Sequence[Any]:
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        source = source.detach().cpu().numpy()
    if len(shape := getattr(source, "shape", (0,))) != 1:
        raise InputError(f"{role} must be one per row but have shape {tuple(shape)}.")
    if hasattr(source, "tolist"):
        source = source.tolist()
    if not hasattr(source, "__len__") or not hasattr(source, "__iter__"):
        raise InputTypeError(
            f"{role} must be a column name, a file or one value per row but are "
            f"{type(source).__name__}."
        )
    return list(source)


def _per_row(values: Sequence[Any], table: Table, role: str, source: str = "") -> Labels:
    if len(values) != table.n:
        origin = f" ({source})" if source else ""
        raise InputError(
            f"{role}{origin} have length {len(values)} but there are {table.n} rows in "
            f"{table.source}."
        )
    return tuple(_text(value, role) for value in values)


def _text(value: Any, role: str) -> str | None:
    """Return a label as text, whole numbers without a fraction; None, NaN and "" as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float):
        if value % 1 != 0:
            raise InputError(
                f"{role} hold the real number {value!r}; convert them to texts if each value is a "
                "class of its own."
            )
        value = int(value)
    if not isinstance(value, (str, int)):
        raise InputTypeError(
            f"{role} hold a {type(value).__name__}; texts or whole numbers are needed."
        )
    return str(value)
