"""Labels from files: one per line, or joined to the samples by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from layergeom.states.label_kinds import LabelType
from layergeom.states.label_values import PLAIN, says_nothing, separator_of, several
from layergeom.states.lines import listed, read_lines, suffix
from layergeom.states.tables import Table, read_table

LABEL_TABLES = (".csv", ".tsv", ".jsonl")
LABEL_FILES = (".txt", *LABEL_TABLES)
IDS = ("id", "sid")  # columns of ids; else the first column


class FileLabels(NamedTuple):
    """Values for the samples in their order, None where the file has none; notes and counts.

    ``codes`` says that they are levels of a classification's codes.
    """

    values: Sequence[Any]
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}
    codes: bool = False


def values_in(
    path: Path,
    column: str | None,
    ids: Sequence[str],
    role: str,
    label_type: LabelType | None = "class",
) -> FileLabels:
    """Read the labels of the samples with these ids from a file.

    Parameters
    ----------
    path : Path
        ``.txt`` with a label per line or a list of classified domains; a table with a column of
        labels only, or with one of ids too; or clusters as MMseqs2 writes them: representative and
        member in each row, without a header.
    column : str or None
        The column of the labels, or a level of the codes that one holds; None for ``label``, or
        the second of two columns.
    ids : sequence of str
        Ids of the samples.
    role : str
        "labels", "exclude" or "groups", for messages.
    label_type : {"class", "number", "multi"} or None
        With several labels per row an id may stand in several rows, as in files of annotations;
        None allows that where all these labels are terms of GO, EC, InterPro and the like.

    Raises
    ------
    InputError
        For an unknown kind of file or column, no id in common, or an id with two labels otherwise.
    """
    if suffix(path) in LABEL_TABLES:
        found = read_table(path, lambda first: _has_header(first, column, ids))
        codes = column is not None and column not in found.columns
        if len(found.columns) == 1:
            return _one_column(found, column, len(ids), role)._replace(codes=codes)
        return _joined(found, column, ids, role, label_type)._replace(codes=codes)
    if ".txt" not in path.name.lower() and suffix(path):
        raise InputError(
            f"{path} holds no {role}; use .txt (one per line, or a list of domains), .csv or .tsv."
        )
    lines = list(read_lines(path))
    domains = domain_table(lines, path.name)
    if domains is not None and column is not None:
        return _joined(domains, column, ids, role, label_type)._replace(codes=True)
    if domains is not None:
        raise InputError(
            f"{path.name} is a list of classified domains; name the level of the {role}: "
            f"{_offer(domains)}."
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
    known = {part for name in ids for part in _parts(name)}
    return len(first) > 1 and first[0] not in known and not any(map(_is_value, first))


def _is_value(field: str) -> bool:
    real = "." in field and PLAIN.fullmatch(field) is not None
    return real or is_code(field) or is_term(field)


def _one_column(found: Table, column: str | None, n: int, role: str) -> FileLabels:
    """One label per line; a line more than there are rows can only be the header."""
    if column is not None:
        return FileLabels(_column(found, column))
    (values,) = found.columns.values()
    if found.n == n + 1:
        note = f"The first line of {found.source}, {values[0]!r}, was read as the header of {role}."
        return FileLabels(values[1:], (note,))
    return FileLabels(values)


def _joined(
    found: Table, column: str | None, ids: Sequence[str], role: str, label_type: LabelType | None
) -> FileLabels:
    """Labels by id; the rows of the file may stand in any order."""
    if column is None and _are_clusters(found):
        note = f"{found.source} was read as clusters: representative, then member."
        found = replace(found, columns={"id": found.columns["1"], role: found.columns["0"]})
        found = replace(found, notes=(*found.notes, note))
    by_id = _by_id(found, *_id_and_label(found, column, role), label_type)
    keys = [next((part for part in _parts(name) if part in by_id), None) for name in ids]
    if not any(key is not None for key in keys):
        raise InputError(
            f"{found.source} labels none of the {len(ids)} samples: its ids are "
            f"{listed(list(by_id))}, theirs {listed(ids)}."
        )
    values = [None if key is None else by_id[key] for key in keys]
    used = set(keys)
    unused = [name for name in by_id if name not in used]
    notes = (*found.notes, *_notes(ids, keys, values, found.source, role))
    if unused:
        notes += (f"{len(unused):,} ids of {found.source} are no sample's: {listed(unused)}.",)
    return FileLabels(values, notes, {f"{role}_unused": len(unused)})


def _are_clusters(found: Table) -> bool:
    """Say whether each row is a cluster's representative and a member, as MMseqs2 writes them.

    Each member stands in one cluster, and each representative is a member of its own.
    """
    if tuple(found.columns) != ("0", "1"):
        return False
    representatives, members = found.columns["0"], found.columns["1"]
    own = dict(zip(members, representatives, strict=True))
    return len(own) == found.n and all(own.get(name) == name for name in set(representatives))


def _notes(
    ids: Sequence[str],
    keys: Sequence[str | None],
    values: Sequence[Any],
    source: str,
    role: str,
) -> Iterator[str]:
    n = f"{len(ids):,}"
    without = [name for name, value in zip(ids, values, strict=True) if value in (None, "")]
    if without:
        yield f"{len(without):,} of {n} samples have no {role} in {source}: {listed(without)}."
    pairs = zip(ids, keys, strict=True)
    parts = [f"{name} as {key}" for name, key in pairs if key is not None and key != name]
    if parts:
        yield f"{len(parts):,} of {n} ids were found by a part in {source}: {listed(parts)}."


def _by_id(
    found: Table, names: Sequence[Any], values: Sequence[Any], label_type: LabelType | None
) -> dict[str, Any]:
    """Return the value of each id; where an id has several, a list of those of every id."""
    by_id: dict[str, list[Any]] = {}
    second: list[tuple[int, str]] = []
    for row, (given, value) in enumerate(zip(names, values, strict=True)):
        own = by_id.setdefault(str(given).strip(), [])
        if value not in own:
            own.append(value)
            second += [(row, str(given).strip())] if len(own) > 1 else []
    if second and label_type != "multi" and not (label_type is None and _are_terms(values)):
        row, name = second[0]
        hint = "" if label_type == "class" else "; label_type=multi reads several per id"
        raise InputError(f"{found.place(row)} gives the id {name!r} a second, other label{hint}.")
    if not second:
        return {name: own[0] for name, own in by_id.items()}
    separator = separator_of(v for v in values if isinstance(v, str) and not says_nothing(v))
    lists = {
        name: [label for v in own for label in several(v, separator, found.source) or ()]
        for name, own in by_id.items()
    }
    return {name: labels or None for name, labels in lists.items()}


def _are_terms(values: Sequence[Any]) -> bool:
    known = [value for value in values if not says_nothing(value)]
    return all(isinstance(value, str) and is_term(value.strip()) for value in known)


def _parts(name: str) -> list[str]:
    """Return an id and the names within it: sp|P69905|HBA_HUMAN, cath|4_3_0|12asA00/4-330."""
    if "|" not in name:
        return [name]
    return [name, *(part.partition("/")[0] for part in name.split("|") if part)]


def _id_and_label(
    found: Table, column: str | None, role: str
) -> tuple[Sequence[Any], Sequence[Any]]:
    named = next((name for name in IDS if name in found.columns), None)
    first = next(iter(found.columns)) if named is None else named
    if column is not None:
        return found.columns[first], _column(found, column)
    if len(found.columns) == 2 and first == next(iter(found.columns)):
        _, second = found.columns
        return found.columns[first], found.columns[second]
    wanted = [name for name in ("label", role) if name in found.columns]
    if named is None or not wanted:
        raise InputError(
            f"{found.source} must have the columns 'id' and 'label'; {found.listing()}, and "
            f"{_offer(found)} chooses one."
        )
    return found.columns[named], found.columns[wanted[0]]


def _column(found: Table, name: str) -> Sequence[Any]:
    if name in found.columns:
        return found.columns[name]
    classes = classes_at(found, name)
    if classes is None:
        raise InputError(f"{found.source} has no column {name!r}; {listing(found)}.")
    return classes


def _offer(found: Table) -> str:
    names = levels_of(found) or tuple(found.columns)[1:]
    return " or ".join(f"'{found.source}:{name}'" for name in names[:4])
