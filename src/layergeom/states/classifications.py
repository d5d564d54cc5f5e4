"""Names that tell what they are: codes of several levels (SCOPe, CATH), and terms (GO, EC)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from layergeom.errors import InputError
from layergeom.states.label_values import is_missing
from layergeom.states.lines import Line
from layergeom.states.tables import Table

_CATH_LIST = 12  # fields of a line in CATH's domain list; C, A, T and H are the second to fifth


@dataclass(frozen=True, eq=False)
class Scheme:
    """A classification: what its codes look like, and its levels from the coarsest."""

    name: str
    code: re.Pattern[str]
    levels: tuple[str, ...]


SCOPE = Scheme("SCOPe", re.compile(r"[a-z](\.\d+){3}"), ("class", "fold", "superfamily", "family"))
CATH = Scheme(
    "CATH", re.compile(r"\d+(\.\d+){3}"), ("class", "architecture", "topology", "superfamily")
)
SCHEMES = (SCOPE, CATH)
# GO:0008150, HP:0000118, EC 1.1.-.-, IPR000001, PF00001, K00001: of which a row has several
TERM = re.compile(
    r"[A-Za-z]+[:_]\d{4,}|(EC[: ]?)?[1-7](\.(n?\d+|-)){3}|(IPR|PF|SSF|PTHR|TIGR|SM|PS|KW-|K)\d{4,}"
)


def is_code(field: str) -> bool:
    """Say whether a field is a code of one of the classifications."""
    return any(scheme.code.fullmatch(field) for scheme in SCHEMES)


def is_term(field: str) -> bool:
    """Say whether a text is a term of an annotation such as GO, EC, InterPro or Pfam.

    Examples
    --------
    >>> [is_term(text) for text in ("GO:0008150", "1.1.1.-", "alpha")]
    [True, True, False]
    """
    return TERM.fullmatch(field) is not None


def levels_of(table: Table) -> tuple[str, ...]:
    """Return the names of all levels that the codes in a table's columns have."""
    schemes = coded_columns(table).values()
    return tuple(dict.fromkeys(level for scheme in schemes for level in scheme.levels))


def listing(table: Table) -> str:
    """Say which columns and levels there are."""
    levels = levels_of(table)
    return table.listing() + (f" with the levels {', '.join(levels)}" if levels else "")


def coded_columns(table: Table) -> dict[str, Scheme]:
    """Return the columns that hold nothing but codes of one classification, and missing values."""
    found = {name: _scheme(values) for name, values in table.columns.items()}
    return {name: scheme for name, scheme in found.items() if scheme is not None}


def classes_at(table: Table, level: str) -> list[str | None] | None:
    """Return the class of each row at a level such as ``superfamily``; None if no column has it.

    Raises
    ------
    InputError
        If several columns hold codes with this level.
    """
    coded = {name: s for name, s in coded_columns(table).items() if level in s.levels}
    if not coded:
        return None
    if len(coded) > 1:
        raise InputError(
            f"The columns {' and '.join(map(repr, coded))} of {table.source} both have a level "
            f"{level!r}; leave one of them out."
        )
    ((name, scheme),) = coded.items()
    depth = 1 + scheme.levels.index(level)
    return [
        None if is_missing(code) else ".".join(code.split(".")[:depth])
        for code in table.columns[name]
    ]


def _scheme(values: Iterable[Any]) -> Scheme | None:
    first = next((value for value in values if not is_missing(value)), None)
    if not isinstance(first, str):  # images are not decoded beyond the first
        return None
    given = [value for value in values if not is_missing(value)]
    for scheme in SCHEMES:
        if all(isinstance(value, str) and scheme.code.fullmatch(value) for value in given):
            return scheme
    return None


def domain_table(lines: Sequence[Line], source: str) -> Table | None:
    """Return ids and codes of a list of domains (SCOPe's dir.cla, CATH's); None if it is none.

    Raises
    ------
    InputError
        If the first line is a domain with its code but a later one is not.
    """
    rows = [(n, line.split()) for n, line in lines if line.strip() and not line.startswith("#")]
    if not rows or _code(rows[0][1]) is None:
        return None
    codes = []
    for number, fields in rows:
        if (code := _code(fields)) is None:
            raise InputError(f"{source}, line {number} holds no domain with its code; mend it.")
        codes.append(code)
    columns = {"id": [fields[0] for _, fields in rows], "code": codes}
    return Table(source, columns, len(rows), [number for number, _ in rows])


def _code(fields: Sequence[str]) -> str | None:
    if len(fields) == _CATH_LIST and all(field.isdecimal() for field in fields[1:5]):
        return ".".join(fields[1:5])
    return next((field for field in fields[1:] if is_code(field)), None)
