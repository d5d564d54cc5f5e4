"""Labels and groups of samples: from a column, from a file of their own, or from a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from layergeom.errors import InputError, InputTypeError
from layergeom.states.classifications import classes_at, listing
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_files import LABEL_FILES, values_in
from layergeom.states.lines import suffix
from layergeom.states.tables import Table

Labels: TypeAlias = "tuple[str | None, ...]"


class RowLabels(NamedTuple):
    """One label per row as text, None where it is missing; what was assumed, and counts."""

    labels: Labels | None
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}


def row_labels(source: Any, table: Table, ids: Sequence[str], role: str) -> RowLabels:
    """Return one label per row as text, None where it is missing, with notes and counts.

    A file of ids and labels is joined by id: its rows may stand in any order and may label a part
    of the samples. An id such as ``sp|P69905|HBA_HUMAN`` also fits by one of its parts.

    Parameters
    ----------
    source : None, str, int, path or sequence
        A column of ``table``, a file, ``"file:column"``, or the labels themselves. In place of a
        column, a level of the SCOPe or CATH codes that one holds (class, fold, superfamily,
        family; class, architecture, topology, superfamily).
    table : Table
        The samples.
    ids : sequence of str
        What a file of ids and labels refers to.
    role : str
        "labels", "exclude" or "groups", for messages.

    Raises
    ------
    InputError
        For an unknown column or file, a length other than the number of rows (both are named), a
        file that labels none of the rows, an id with two labels, or real numbers.

    Notes
    -----
    Of a split's rows, values given one by one may be those of the whole data or of the split.
    """
    if source is None:
        return RowLabels(None)
    if isinstance(source, (str, int, Path)) and not isinstance(source, bool):
        return _named(source, table, ids, role)
    return _counted(_per_row(_sequence(source, role), table, role), (), {}, role)


def labels_of_rows(source: Any, ids: Sequence[str], role: str) -> RowLabels:
    """Return one label per row of hidden states, from a file or a sequence.

    Raises
    ------
    InputError
        As :func:`row_labels`.
    """
    return row_labels(source, Table("the hidden states", {}, len(ids)), ids, role)


def with_labels(
    hidden: HiddenStates, labels: Any, exclude: Any, groups: Any
) -> tuple[HiddenStates, tuple[Labels | None, Labels | None]]:
    """Join classes, excluded groups and groups to hidden states.

    Parameters
    ----------
    hidden : HiddenStates
    labels, exclude, groups : object
        As ``source`` of :func:`labels_of_rows`; groups replace those that the states know.

    Returns
    -------
    HiddenStates
        With the groups, and the notes and counts of all three.
    (labels, exclude)
        One of each per row, or None.

    Raises
    ------
    InputError
        As :func:`row_labels`.
    """
    classes, kin, clusters = (
        labels_of_rows(source, hidden.ids, role)
        for source, role in ((labels, "labels"), (exclude, "exclude"), (groups, "groups"))
    )
    joined = replace(
        hidden,
        groups=whole_groups(clusters.labels) or hidden.groups,
        warnings=(*hidden.warnings, *classes.notes, *kin.notes, *clusters.notes),
        counts={**hidden.counts, **classes.counts, **kin.counts, **clusters.counts},
    )
    return joined, (classes.labels, kin.labels)


def whole_groups(groups: Labels | None) -> tuple[str, ...] | None:
    """Return groups in which each row without one stands for itself.

    Examples
    --------
    >>> whole_groups(("a", None, "a", None))
    ('a', 'row 1', 'a', 'row 3')
    """
    if groups is None:
        return None
    own = "row"
    while any(name is not None and name.startswith(own) for name in groups):
        own = f"_{own}"
    return tuple(f"{own} {row}" if name is None else name for row, name in enumerate(groups))


def _named(source: str | int | Path, table: Table, ids: Sequence[str], role: str) -> RowLabels:
    name = str(source)
    if not isinstance(source, Path) and (column := _column(table, name)) is not None:
        return _counted(_per_row(column, table, role), (), {}, role)
    path, wanted = path_and_column(name)
    if path.is_file():
        found = values_in(path, wanted, ids, role)
        labels = _per_row(found.values, table, role, path.name)
        return _counted(labels, found.notes, found.counts, role)
    if suffix(path) in LABEL_FILES or isinstance(source, Path):
        raise InputError(f"There is no file {path} for {role}; check the name and the folder.")
    raise InputError(
        f"{table.source} has no column {name!r} for {role}, and there is no such file; "
        f"{listing(table)}."
    )


def _column(table: Table, name: str) -> Sequence[Any] | None:
    return table.columns[name] if name in table.columns else classes_at(table, name)


def path_and_column(name: str) -> tuple[Path, str | None]:
    """Split ``file:column``; a colon may also belong to the file's own name.

    Examples
    --------
    >>> path_and_column("no/table.tsv:topic")[1]
    'topic'
    """
    head, colon, column = name.rpartition(":")
    if colon and not Path(name).is_file() and (Path(head).is_file() or suffix(Path(head))):
        return Path(head), column
    return Path(name), None


def _counted(
    labels: Labels, notes: tuple[str, ...], counts: Mapping[str, int], role: str
) -> RowLabels:
    missing = labels.count(None)
    if role == "groups" and missing:
        notes += (f"{missing:,} of {len(labels):,} rows have no group: each stands for itself.",)
    return RowLabels(labels, notes, {f"{role}_missing": missing, **counts})


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
    if table.rows is not None and len(values) == table.whole:
        values = [values[row] for row in table.rows]
    place = f"{role} ({source})" if source else role
    if len(values) != table.n:
        raise InputError(
            f"{place} have length {len(values)} but there are {table.n} rows in {table.source}."
        )
    return tuple(_text(value, place) for value in values)


def _text(value: Any, place: str) -> str | None:
    """Return a label as text, whole numbers without a fraction; None, NaN and "" as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float):
        if value % 1 != 0:
            raise InputError(
                f"{place} hold the real number {value!r}; convert them to texts if each value is a "
                "class of its own."
            )
        value = int(value)
    if not isinstance(value, (str, int)):
        raise InputTypeError(
            f"{place} hold a {type(value).__name__}; texts or whole numbers are needed."
        )
    return str(value)
