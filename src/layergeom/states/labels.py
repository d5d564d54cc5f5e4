"""Labels and groups of samples: from a column, from a file of their own, or from a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from layergeom.errors import InputError, InputTypeError
from layergeom.states.classifications import classes_at, listing
from layergeom.states.hidden import HiddenStates
from layergeom.states.label_files import LABEL_FILES, values_in
from layergeom.states.label_kinds import Labels, LabelType, TypedLabels, check_label_type, typed
from layergeom.states.lines import suffix
from layergeom.states.tables import Table

LABELS = "labels"  # the one role whose values may be numbers or lists


class RowLabels(NamedTuple):
    """One label per row, None where it is missing; what was assumed, and counts."""

    labels: Any  # TypedLabels of the role "labels", else Labels; or None
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}


def row_labels(
    source: Any,
    table: Table,
    ids: Sequence[str],
    role: str,
    label_type: LabelType | None = None,
) -> RowLabels:
    """Return one label per row, None where it is missing, with notes and counts.

    Classes are texts; of the role "labels" they may be :class:`Numbers` or :class:`LabelSets`
    (see :func:`layergeom.states.label_kinds.inferred`).

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
    label_type : {"class", "number", "multi"}, optional
        What the labels are; inferred unless given, and of other roles always classes.

    Raises
    ------
    InputError
        For an unknown column or file, a length other than the number of rows (both are named), a
        file that labels none of the rows, an id with two labels (but see
        :func:`layergeom.states.label_files.values_in`), or values that are not of the kind.

    Notes
    -----
    Of a split's rows, values given one by one may be those of the whole data or of the split.
    """
    check_label_type(label_type)
    asked = label_type if role == LABELS else "class"
    if source is None:
        if label_type is not None and role == LABELS:
            raise InputError(
                f"label_type={label_type} says what labels are, but there are none; give labels=… "
                "(--labels)."
            )
        return RowLabels(None)
    if isinstance(source, (str, int, Path)) and not isinstance(source, bool):
        return _named(source, table, ids, role, asked)
    return _counted(_sequence(source, role), table, role, asked)


def labels_of_rows(
    source: Any, ids: Sequence[str], role: str, label_type: LabelType | None = None
) -> RowLabels:
    """Return one label per row of hidden states, from a file or a sequence.

    Raises
    ------
    InputError
        As :func:`row_labels`.
    """
    return row_labels(source, Table("the hidden states", {}, len(ids)), ids, role, label_type)


def with_labels(
    hidden: HiddenStates,
    labels: Any,
    exclude: Any,
    groups: Any,
    label_type: LabelType | None = None,
) -> tuple[HiddenStates, tuple[TypedLabels | None, Labels | None]]:
    """Join labels, excluded groups and groups to hidden states.

    Parameters
    ----------
    hidden : HiddenStates
    labels, exclude, groups : object
        As ``source`` of :func:`labels_of_rows`; groups replace those that the states know.
    label_type : optional
        As of :func:`row_labels`.

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
        labels_of_rows(source, hidden.ids, role, label_type)
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


def _named(
    source: str | int | Path,
    table: Table,
    ids: Sequence[str],
    role: str,
    asked: LabelType | None,
) -> RowLabels:
    name = str(source)
    if not isinstance(source, Path) and (column := _column(table, name)) is not None:
        codes = name not in table.columns  # levels such as CATH's 1.10 are no real numbers
        return _counted(column, table, role, (asked or "class") if codes else asked)
    path, wanted = path_and_column(name)
    if path.is_file():
        found = values_in(path, wanted, ids, role, asked)
        kind = (asked or "class") if found.codes else asked
        return _counted(found.values, table, role, kind, found.notes, found.counts, path.name)
    if suffix(path) in LABEL_FILES or isinstance(source, Path):
        raise InputError(f"There is no file {path} for {role}; check the name and the folder.")
    if not table.columns:
        raise InputError(
            f"{table.source} have no columns, so {name!r} for {role} must be a file; give a table "
            f"with the rows' ids ({name}.tsv, table.tsv:{name}), or run with MODEL and DATA."
        )
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
    values: Sequence[Any],
    table: Table,
    role: str,
    asked: LabelType | None,
    notes: tuple[str, ...] = (),
    counts: Mapping[str, int] | None = None,
    source: str = "",
) -> RowLabels:
    labels, told = _per_row(values, table, role, asked, source)
    missing = cast("tuple[object, ...]", labels).count(None)
    if role == "groups" and missing:
        told += (f"{missing:,} of {len(labels):,} rows have no group: each stands for itself.",)
    return RowLabels(labels, notes + told, {f"{role}_missing": missing, **(counts or {})})


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


def _per_row(
    values: Sequence[Any], table: Table, role: str, asked: LabelType | None, source: str
) -> tuple[TypedLabels, tuple[str, ...]]:
    if table.rows is not None and len(values) == table.whole:
        values = [values[row] for row in table.rows]
    place = f"{role} ({source})" if source else role
    if len(values) != table.n:
        raise InputError(
            f"{place} have length {len(values)} but there are {table.n} rows in {table.source}."
        )
    return typed(values, place, asked)
