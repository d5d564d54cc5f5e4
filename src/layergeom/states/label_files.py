"""Labels from files: one per line, in a table, or of any file that data are read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from layergeom.errors import InputError
from layergeom.states.classifications import (
    classes_at,
    domain_table,
    is_code,
    is_term,
    levels_of,
    listing,
)
from layergeom.states.datafiles import read_data
from layergeom.states.fasta import FASTA_FILES
from layergeom.states.label_joins import LabelColumn, Rows, parts
from layergeom.states.label_kinds import LabelType
from layergeom.states.label_values import PLAIN
from layergeom.states.lines import read_lines, shown, suffix
from layergeom.states.row_contents import RowContents, text_columns
from layergeom.states.tables import Table

LABEL_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".npz", *FASTA_FILES)
LABEL_FILES = (".txt", *LABEL_TABLES)
IDS = ("id", "sid")  # columns of ids; else the first column


class FileLabels(NamedTuple):
    """Values for the samples in their order, None where the file has none; notes and counts.

    ``codes`` says that they are levels of a classification's codes, ``column`` where in the file
    they stand (None if it has no columns), ``way`` how its rows were brought to the samples.
    """

    values: Sequence[Any]
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}
    codes: bool = False
    column: str | None = None
    way: str = "one per row"


def values_in(
    path: Path,
    column: str | None,
    ids: Sequence[str],
    role: str,
    label_type: LabelType | None = "class",
    contents: RowContents | None = None,
) -> FileLabels:
    """Read the labels of these samples from a file.

    Parameters
    ----------
    path : Path
        ``.txt`` with a label per line or a list of classified domains; a table with a column of
        labels only, or with one of ids or of the samples' texts too; clusters as MMseqs2 writes
        them: representative and member in each row, without a header; or FASTA and ``.npz`` as
        data are read from them.
    column : str or None
        The column of the labels, or a level of the codes that one holds; None for ``label``, or
        the only one that is neither id nor text.
    ids : sequence of str
        Ids of the samples.
    role : str
        "labels", "exclude" or "groups", for messages.
    label_type : {"class", "number", "multi"} or None
        With several labels per row an id may stand in several rows, as in files of annotations;
        None allows that where all these labels are terms of GO, EC, InterPro and the like.
    contents : RowContents, optional
        What the samples were made of, for tables of texts without ids.

    Raises
    ------
    InputError
        For an unknown kind of file or column, no row in common, or an id with two labels otherwise.

    Notes
    -----
    How rows are joined: :meth:`layergeom.states.label_joins.LabelColumn.joined`. By texts or by
    order, that is a note.
    """
    rows = Rows(ids, contents)
    if suffix(path) in LABEL_TABLES:
        found = read_data(path, lambda first: _has_header(first, column, ids))
        found = found if found.texts is None else replace(found, notes=())  # of the sequences
        codes = column is not None and column not in found.columns
        if len(found.columns) == 1:
            return _one_column(found, column, len(ids), role)._replace(codes=codes)
        return _joined(found, column, rows, role, label_type)._replace(codes=codes)
    if ".txt" not in path.name.lower() and suffix(path):
        raise InputError(
            f"{path} is no file of {role}; they are read from .txt (one per line, or a list of "
            "domains), .csv, .tsv, .jsonl, .fasta and .npz."
        )
    lines = list(read_lines(path))
    domains = domain_table(lines, path.name)
    if domains is not None and column is not None:
        return _joined(domains, column, rows, role, label_type)._replace(codes=True)
    if domains is not None:
        raise InputError(
            f"{path.name} is a list of classified domains; name the level of the {role}: "
            f"{_offer(domains, [])}."
        )
    if column is not None:
        raise InputError(
            f"{path.name} is no list of domains with SCOPe's or CATH's codes, so it has no "
            f"{column!r}; use .csv or .tsv for a table with named columns."
        )
    return FileLabels([line.rstrip("\r\n") for _, line in lines])


def _has_header(first: Sequence[str], column: str | None, ids: Sequence[str]) -> bool:
    """Take a row as header unless it labels a sample or holds a code, a term or a real number."""
    if column is not None and (column in first or column.isdecimal()):
        return column in first
    if len(first) == 2 and first[0] == first[1]:  # so begins a cluster, and no header
        return False
    known = {part for name in ids for part in parts(name)}
    return len(first) > 1 and first[0] not in known and not any(map(_is_value, first))


def _is_value(field: str) -> bool:
    real = "." in field and PLAIN.fullmatch(field) is not None
    return real or is_code(field) or is_term(field)


def _one_column(found: Table, column: str | None, n: int, role: str) -> FileLabels:
    """One label per line; a line more than there are rows can only be the header."""
    if column is not None:
        return FileLabels(_column(found, column), column=column)
    (values,) = found.columns.values()
    if found.n == n + 1:
        first = f"The first line of {found.source}, {shown(values[0])}"
        return FileLabels(values[1:], (f"{first}, was read as the header of {role}.",))
    return FileLabels(values)


def _joined(
    found: Table, column: str | None, rows: Rows, role: str, label_type: LabelType | None
) -> FileLabels:
    """Labels by id or text; the rows of the file may stand in any order."""
    if column is None and _are_clusters(found):
        note = f"{found.source} was read as clusters: representative, then member."
        found = replace(found, columns={"id": found.columns["1"], role: found.columns["0"]})
        found = replace(found, notes=(*found.notes, note))
    ids = next((name for name in IDS if name in found.columns), None)
    texts = text_columns(found, rows.contents)
    named = ids is not None
    first = next(iter(found.columns))
    if column is None:
        column = _only_labels(found, ids, texts, role)
    if column in texts:
        rest = [name for name in found.columns if name not in (ids, *texts)]
        raise InputError(
            f"{found.source}:{column} holds the samples' texts, no {role}"
            + (f"; {_offer(found, rest)} may be meant." if rest else ".")
        )
    if ids is None and not (texts and first in (column, *texts)):
        ids = first
    values = _column(found, column)
    joined = LabelColumn(found, values, role, ids, named, texts, label_type).joined(rows)
    return FileLabels(
        joined.values, joined.notes, joined.counts, column=column, way=f"matched by {joined.way}"
    )


def _only_labels(found: Table, ids: str | None, texts: Sequence[str], role: str) -> str:
    """Return the column of the labels where none is named."""
    rest = [name for name in found.columns if name != ids and name not in texts]
    known = ids is not None or bool(texts)
    if found.texts is not None:  # FASTA
        raise InputError(f"{found.source} is a FASTA file; {_headers(found, role)}.")
    wanted = [name for name in ("label", role) if known and name in rest]
    if not known and len(rest) == 2:
        wanted = rest[1:]
    if wanted or (known and len(rest) == 1):
        return (wanted or rest)[0]
    raise InputError(
        f"{found.source} must have the columns 'id' and 'label'; {found.listing()}, and "
        f"{_offer(found, rest if known else rest[1:])} chooses one."
    )


def _headers(found: Table, role: str) -> str:
    if levels_of(found):
        return f"name what of its headers are the {role}: {_offer(found, [])}"
    return (
        f"its headers hold no code of SCOPe behind the id, so no {role}; give a table with the "
        "columns 'id' and 'label'"
    )


def _are_clusters(found: Table) -> bool:
    """Say whether each row is a cluster's representative and a member, as MMseqs2 writes them.

    Each member stands in one cluster, and each representative is a member of its own.
    """
    if tuple(found.columns) != ("0", "1"):
        return False
    representatives, members = found.columns["0"], found.columns["1"]
    own = dict(zip(members, representatives, strict=True))
    return len(own) == found.n and all(own.get(name) == name for name in set(representatives))


def _column(found: Table, name: str) -> Sequence[Any]:
    if name in found.columns:
        return found.columns[name]
    classes = classes_at(found, name)
    if classes is None:
        raise InputError(f"{found.source} has no column {name!r}; {listing(found)}.")
    return classes


def _offer(found: Table, names: Sequence[str]) -> str:
    given = levels_of(found) or tuple(names) or tuple(found.columns)
    return " or ".join(f"'{found.source}:{name}'" for name in given[:4])
