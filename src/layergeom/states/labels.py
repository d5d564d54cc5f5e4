"""Labels and groups of samples: from a column, from a file of their own, or from a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from layergeom.errors import InputError, InputTypeError
from layergeom.states.classifications import classes_at, listing
from layergeom.states.label_files import LABEL_FILES, FileLabels, values_in
from layergeom.states.label_kinds import Labels, LabelType, TypedLabels, check_label_type, typed
from layergeom.states.lines import shown, suffix
from layergeom.states.row_contents import RowContents
from layergeom.states.tables import Table

LABELS = "labels"  # the one role whose values may be numbers or lists
OWN = ":"  # begins the name of a column of the data themselves


class LabelSource(NamedTuple):
    """What labels are called, and where they come from, in words."""

    name: str
    origin: str


class RowLabels(NamedTuple):
    """One label per row, None where it is missing; what was assumed, counts, and the source."""

    labels: Any  # TypedLabels of the role "labels", else Labels; or None
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}
    source: LabelSource | None = None


def row_labels(
    source: Any,
    table: Table,
    ids: Sequence[str],
    role: str,
    label_type: LabelType | None = None,
    contents: RowContents | None = None,
) -> RowLabels:
    """Return one label per row, None where it is missing, with notes and counts.

    Classes are texts; of the role "labels" they may be :class:`Numbers` or :class:`LabelSets`
    (see :func:`layergeom.states.label_kinds.inferred`).

    A file of ids and labels is joined by id, one of the samples' texts and labels by these: its
    rows may stand in any order and may label a part of the samples. An id such as
    ``sp|P69905|HBA_HUMAN`` also fits by one of its parts.

    Parameters
    ----------
    source : None, str, int, path or sequence
        A column of ``table`` (``"topic"``, or ``":topic"`` where a file might be meant), a file,
        ``"file:column"``, or the labels themselves. In place of a column, a level of the SCOPe or
        CATH codes that one holds (class, fold, superfamily, family; class, architecture, topology,
        superfamily).
    table : Table
        The samples.
    ids : sequence of str
        What a file of ids and labels refers to.
    role : str
        "labels", "exclude" or "groups", for messages.
    label_type : {"class", "number", "multi"}, optional
        What the labels are; inferred unless given, and of other roles always classes.
    contents : RowContents, optional
        What the samples were made of, for files without ids.

    Raises
    ------
    InputError
        For an unknown column or file, a length other than the number of rows (both are named), a
        file that labels none of the rows, an id or text with two labels (but see
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
        own = None if isinstance(source, Path) else _of_column(str(source), table, role, asked)
        if own is not None:
            return own
        path, column = _file(source, table, role)
        found = values_in(path, column, ids, role, asked, contents)
        return _of_file(path, found, table, role, asked)
    given = LabelSource(role, "given one by one")
    return _counted(_sequence(source, role), table, role, asked, given)


def labels_of_rows(
    source: Any, ids: Sequence[str], role: str, label_type: LabelType | None = None
) -> RowLabels:
    """Return one label per row of something that has no columns, from a file or a sequence.

    Raises
    ------
    InputError
        As :func:`row_labels`.
    """
    return row_labels(source, Table("the hidden states", {}, len(ids)), ids, role, label_type)


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


def _of_column(name: str, table: Table, role: str, asked: LabelType | None) -> RowLabels | None:
    """Return a column of the data, or a level of one's codes; None if there is none."""
    own = own_name(name, table)
    column = table.columns[own] if own in table.columns else classes_at(table, own)
    if column is None:
        return None
    is_level = own not in table.columns  # levels such as CATH's 1.10 are no real numbers
    what = f"the {'level' if is_level else 'column'} {shown(own)} of {table.source}"
    kind = (asked or "class") if is_level else asked
    return _counted(column, table, role, kind, LabelSource(own, what))


def _file(source: str | int | Path, table: Table, role: str) -> tuple[Path, str | None]:
    """Return a file that is there, and the column of it that is asked for."""
    name = str(source)
    path, column = path_and_column(name)
    of_data = not isinstance(source, Path) and own_name(name, table) != name
    if path.is_file() and not of_data:
        return path, column
    raise InputError(_unknown(source, table, role))


def own_name(name: str, table: Table) -> str:
    """Return the name of a column that is asked for as ``:name``."""
    of_data = len(name) > 1 and name.startswith(OWN) and name not in table.columns
    return name[1:] if of_data else name


def _of_file(
    path: Path, found: FileLabels, table: Table, role: str, asked: LabelType | None
) -> RowLabels:
    kind = (asked or "class") if found.codes else asked
    column = found.column
    telling = column is not None and column not in ("label", role) and not column.isdecimal()
    name = column if telling and column else path.name.partition(".")[0]
    where = path.name if column is None else f"the column {shown(column)} of {path.name}"
    source = LabelSource(name, f"{where}, {found.way}")
    return _counted(found.values, table, role, kind, source, found, f"{role} ({path.name})")


def _unknown(source: str | int | Path, table: Table, role: str) -> str:
    """Say that there is no such column or file, and what there is."""
    name, (path, _) = str(source), path_and_column(str(source))
    own = own_name(name, table)
    if own == name and (suffix(path) in LABEL_FILES or isinstance(source, Path)):
        return f"There is no file {path} for {role}; check the name and the folder."
    if not table.columns:
        return (
            f"{table.source} know no labels by name, so {shown(own)} for {role} must be a file "
            f"(table.tsv:{own}); a run knows those that it was made with: the same command with "
            "--labels computes nothing anew."
        )
    nor = "" if own != name else ", and there is no such file"
    return f"{table.source} has no column {shown(own)} for {role}{nor}; {listing(table)}."


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
    source: LabelSource,
    of_file: FileLabels | None = None,
    place: str = "",
) -> RowLabels:
    labels, told = _per_row(values, table, place or role, asked)
    missing = cast("tuple[object, ...]", labels).count(None)
    if role == "groups" and missing:
        told += (f"{missing:,} of {len(labels):,} rows have no group: each stands for itself.",)
    counts = {f"{role}_missing": missing}
    if of_file is not None:
        told, counts = of_file.notes + told, {**counts, **of_file.counts}
    return RowLabels(labels, told, counts, source)


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
    values: Sequence[Any], table: Table, place: str, asked: LabelType | None
) -> tuple[TypedLabels, tuple[str, ...]]:
    if table.rows is not None and len(values) == table.whole:
        values = [values[row] for row in table.rows]
    if len(values) != table.n:
        raise InputError(
            f"{place} have length {len(values)} but there are {table.n} rows in {table.source}."
        )
    return typed(values, place, asked)
