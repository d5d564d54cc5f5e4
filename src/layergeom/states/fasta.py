"""Sequences from FASTA files; whatever was changed or is unusual in them is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from layergeom.errors import InputError
from layergeom.states.classifications import SCOPE
from layergeom.states.lines import Line, read_lines
from layergeom.states.tables import Table
from layergeom.written import counted

FASTA_FILES = (".fasta", ".fa", ".faa", ".fas", ".fna")
UNUSUAL = "BJOUXZ"  # letters that stand for other than one of the twenty amino acids

_STRANGE = re.compile(r"[^A-Za-z*.\-]")
_GAPS = str.maketrans("", "", "-.")


@dataclass(eq=False)
class _Record:
    line: int
    name: str
    about: str
    lines: list[Line] = field(default_factory=list)


def read_fasta(path: Path) -> Table:
    """Read a FASTA file, plain or gzipped, as a table of ``id`` and ``sequence``.

    The id is the first word of the header. Sequences are put into capitals, gaps ('-', '.') and a
    final stop ('*') are removed; the rare letters B, J, O, U, X and Z are kept. The table has a
    column ``sccs`` where that is the second word of headers, as in ASTRAL's files.

    Raises
    ------
    InputError
        Naming the line: for a header without a name, a record without a sequence, a stop inside
        of one, or anything that is no letter, such as numbers.
    """
    records = list(_records(path))
    changes: Counter[str] = Counter()
    letters: Counter[str] = Counter()
    columns: dict[str, list[str | None]] = {
        "id": [record.name for record in records],
        "sequence": [_sequence(record, path, changes, letters) for record in records],
    }
    codes = [_code(record) for record in records]
    if any(codes):
        columns["sccs"] = codes
    return Table(
        path.name,
        columns,
        len(records),
        [record.line for record in records],
        tuple(_notes(changes, letters, len(records), path.name)),
        dict(changes),
        "sequence",
    )


def _records(path: Path) -> Iterator[_Record]:
    record: _Record | None = None
    for number, line in read_lines(path):
        if line.startswith(">"):
            if record is not None:
                yield record
            record = _opened(line, number, path)
        elif line.strip() and not line.startswith(";"):  # a comment in the format's first form
            if record is None:
                raise InputError(
                    f"{path.name}, line {number} stands before any header; a FASTA file begins "
                    "with '>'."
                )
            record.lines.append((number, line))
    if record is not None:
        yield record


def _opened(line: str, number: int, path: Path) -> _Record:
    header = line[1:].strip()
    if "\r" in header:
        raise InputError(
            f"{path.name}, line {number} has line ends of an old Mac; convert them to '\\n'."
        )
    if not header:
        raise InputError(
            f"{path.name}, line {number} is a header without a name; write an id behind '>'."
        )
    name, _, about = header.replace("\t", " ").partition(" ")
    return _Record(number, name, about.strip())


def _code(record: _Record) -> str | None:
    word = record.about.partition(" ")[0]
    return word if SCOPE.code.fullmatch(word) else None


def _sequence(record: _Record, path: Path, changes: Counter[str], letters: Counter[str]) -> str:
    """Join the lines of a record to capitals without gaps and final stop; count the changes."""
    written = "".join(_checked(line, number, path) for number, line in record.lines)
    whole = written.translate(_GAPS)
    sequence = whole.rstrip("*")
    if not sequence:
        raise InputError(
            f"{path.name}, line {record.line}: the record {record.name!r} has no sequence; remove "
            "it or fill it."
        )
    if "*" in sequence:
        raise InputError(
            f"{path.name}, line {_first_stop(record)}: the sequence {record.name!r} has a stop "
            "'*' inside; end it there, or write X."
        )
    capitals = sequence.upper()
    unusual = {letter: times for letter in UNUSUAL if (times := capitals.count(letter))}
    changes["sequences_lower_case"] += capitals != sequence
    changes["sequences_with_gaps"] += whole != written
    changes["sequences_with_stop"] += sequence != whole
    changes["sequences_with_unusual_letters"] += bool(unusual)
    letters.update(unusual)
    return capitals


def _checked(line: str, number: int, path: Path) -> str:
    text = "".join(line.split())
    if strange := _STRANGE.search(text):
        raise InputError(
            f"{path.name}, line {number} holds {strange[0]!r} in a sequence; only letters, gaps "
            "and a final '*' may stand there, so remove it or mend the line."
        )
    return text


def _first_stop(record: _Record) -> int:
    return next(number for number, line in record.lines if "*" in line)


def _notes(
    changes: Mapping[str, int], letters: Mapping[str, int], n: int, source: str
) -> Iterator[str]:
    listed = ", ".join(f"{letter} {times:,}" for letter, times in letters.items())
    said = {
        "sequences_lower_case": "had lower-case letters, now capitals",
        "sequences_with_gaps": "had gaps, now removed",
        "sequences_with_stop": "ended with a stop '*', now removed",
        "sequences_with_unusual_letters": f"had unusual letters, which are kept ({listed})",
    }
    for name, what in said.items():
        if changes[name]:
            yield f"{changes[name]:,} of {counted(n, 'sequence', 'sequences')} of {source} {what}."
