"""Tables of samples: CSV, TSV, JSON Lines, plain lines, and columns of datasets and data frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from layergeom.errors import InputError, InputTypeError
from layergeom.states.images import Images, Pictures, as_images
from layergeom.states.lines import Line, read_lines, suffix

MAX_FIELD = 1 << 26  # characters of one CSV field; the module's own limit is 131,072


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length, and where each row stands.

    Attributes
    ----------
    source : str
        What messages call it.
    columns : mapping of str to sequence
        In the source's order; a file without a header has "0", "1", ….
    n : int
        Number of rows.
    lines : sequence of int, or None
        Line of each row in its file (the last line, where a row spans several).
    notes : tuple of str
        What was assumed in reading.
    counts : mapping of str to int
        What was changed in reading, or is unusual, by name.
    texts : str or None
        The column of the texts or images, where the format says so.
    rows : sequence of int, or None
        The rows of the whole source that these are; None if they are all.
    whole : int or None
        Number of rows of the whole source, where ``rows`` says which these are.
    """

    source: str
    columns: Mapping[str, Sequence[Any]]
    n: int
    lines: Sequence[int] | None = None
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    texts: str | None = None
    rows: Sequence[int] | None = None
    whole: int | None = None

    def place(self, row: int) -> str:
        """Name a row for a message: ``texts.csv, line 17`` or ``data, row 3``."""
        if self.lines is None:
            return f"{self.source}, row {self.number(row)}"
        return f"{self.source}, line {self.lines[row]}"

    def number(self, row: int) -> int:
        """Return the row's number in the whole source."""
        return row if self.rows is None else self.rows[row]

    def take(self, rows: Sequence[int]) -> Table:
        """Return the table of these rows, which still know their numbers in the whole."""
        return replace(
            self,
            columns={name: _taken(column, rows) for name, column in self.columns.items()},
            n=len(rows),
            lines=None if self.lines is None else [self.lines[row] for row in rows],
            rows=[self.number(row) for row in rows],
            whole=self.whole or self.n,
        )

    def column(self, name: str) -> Sequence[Any]:
        """Return a column; InputError lists the columns that exist."""
        if name not in self.columns:
            raise InputError(f"{self.source} has no column {name!r}; {self.listing()}.")
        return self.columns[name]

    def listing(self) -> str:
        """Say which columns there are."""
        names = [repr(name if len(name) <= 40 else name[:39] + "…") for name in self.columns]
        return f"it has {', '.join(names[:30])}{' …' if len(names) > 30 else ''}"


def read_table(path: Path, has_header: Callable[[Sequence[str]], bool]) -> Table:
    """Read a text file as a table; ``has_header`` judges the first row of a CSV or TSV.

    Raises
    ------
    InputError
        For an unknown kind of file, no rows, or a malformed line, which it names.
    """
    kind = suffix(path)
    if kind == ".txt":
        table = _read_text(path)
    elif kind in {".jsonl", ".ndjson"}:
        table = _read_json(path)
    elif kind in {".csv", ".tsv"}:
        table = _read_csv(path, "\t" if kind == ".tsv" else ",", has_header)
    else:
        raise InputError(
            f"{path} is of no known kind; texts are read from .txt, .jsonl, .csv and .tsv files, "
            "sequences from .fasta, each also as .gz, and tokens from .npz."
        )
    if not table.n:
        raise InputError(f"{path} holds no rows; at least one sample is needed.")
    return table


def from_columns(data: Any, source: str) -> Table:
    """Read a mapping of columns, a data frame or a `datasets` object as a table."""
    names = list(getattr(data, "column_names", getattr(data, "columns", data)))
    columns = {str(name): _values(data, name, source) for name in names}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"The columns of {source} differ in length: {lengths}.")
    n = next(iter(lengths.values()), 0)
    if not n:
        raise InputError(f"{source} holds no rows; at least one sample is needed.")
    return Table(source, columns, n)


def is_columnar(data: Any) -> bool:
    """Say whether ``data`` is a mapping of columns, a data frame or a `datasets` object."""
    if isinstance(getattr(data, "column_names", None), Mapping):
        splits = ", ".join(map(str, data.column_names))
        raise InputError(f"The dataset has splits ({splits}); choose one with split='…'.")
    if hasattr(data, "column_names") and not hasattr(data, "__getitem__"):
        raise InputTypeError("A streamed dataset cannot be sampled; pass list(data.take(n)).")
    return (
        isinstance(data, Mapping)
        or hasattr(data, "column_names")
        or (hasattr(data, "columns") and hasattr(data, "__getitem__"))
    )


def _values(data: Any, name: Any, source: str) -> Sequence[Any]:
    """Return a column; the class numbers of a `datasets` object become the classes' names."""
    features = getattr(data, "features", None)
    feature = features.get(name) if isinstance(features, Mapping) else None
    if type(feature).__name__ == "Image":
        return Images(Pictures(data, name), source)
    values = data[name]
    column = values if hasattr(values, "ndim") and values.ndim > 1 else list(values)
    images = as_images(column, source)
    if images is not None:
        return images
    classes = getattr(feature, "names", None)
    if not classes:
        return list(column)
    known = range(len(classes))
    return [classes[v] if v in known else None for v in column]


def _taken(column: Sequence[Any], rows: Sequence[int]) -> Sequence[Any]:
    return column.take(rows) if isinstance(column, Images) else [column[row] for row in rows]


def _read_text(path: Path) -> Table:
    rows = [(number, line.rstrip("\r\n")) for number, line in read_lines(path)]
    while rows and not rows[-1][1].strip():
        rows.pop()
    texts = [text for _, text in rows]
    return Table(path.name, {"text": texts}, len(rows), [number for number, _ in rows])


def _read_json(path: Path) -> Table:
    numbers: list[int] = []
    records: list[Mapping[str, Any]] = []
    for number, line in _filled(read_lines(path), path):
        records.append(_record(line, f"{path.name}, line {number}"))
        numbers.append(number)
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return Table(path.name, columns, len(records), numbers)


def _filled(lines: Iterator[Line], path: Path) -> Iterator[Line]:
    """Lines without blank ones at the end; a blank line between records is an error."""
    blank = 0
    for number, line in lines:
        if not line.strip():
            blank = blank or number
        elif blank:
            raise InputError(f"{path.name}, line {blank} is blank; remove it or fill it.")
        else:
            yield number, line


def _record(line: str, place: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is no valid JSON ({error}); mend or remove it.") from None
    if not isinstance(record, dict):
        raise InputError(f'{place} is no JSON object; each line must be one, as {{"text": …}}.')
    return record


def _read_csv(path: Path, comma: str, has_header: Callable[[Sequence[str]], bool]) -> Table:
    rows = _csv_rows(path, comma)
    if not rows:
        return Table(path.name, {}, 0)
    first = rows[0][1]
    if len(first) == 1 and ";" in first[0] and comma == ",":
        raise InputError(f"{path.name} is separated by semicolons; save it with commas or tabs.")
    names = [str(i) for i in range(len(first))]
    notes: tuple[str, ...] = (f"{path.name} was read as having no header.",)
    if has_header(first):
        names, rows, notes = first, rows[1:], ()
    if len(set(names)) < len(names):
        raise InputError(f"{path.name} names a column twice in its header: {', '.join(names)}.")
    _check_widths(rows, len(names), path)
    columns = {name: [row[i] for _, row in rows] for i, name in enumerate(names)}
    notes += _quoted(columns, path) if comma == "\t" else ()
    return Table(path.name, columns, len(rows), [number for number, _ in rows], notes)


def _csv_rows(path: Path, comma: str) -> list[tuple[int, list[str]]]:
    """Rows with the line each ends on; TSV has no quoting, as its definition says."""
    former = csv.field_size_limit(MAX_FIELD)
    texts = (line for _, line in read_lines(path))
    if comma == "\t":
        reader = csv.reader(texts, delimiter=comma, quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(texts, delimiter=comma, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(
            f"{path.name}, line {reader.line_num} is no valid row ({error}); mend its quotes."
        ) from None
    finally:
        csv.field_size_limit(former)
    while rows and not rows[-1][1]:
        rows.pop()
    return rows


def _check_widths(rows: Sequence[tuple[int, list[str]]], width: int, path: Path) -> None:
    for number, row in rows:
        if len(row) != width:
            found = f"{len(row)} fields" if row else "no fields (a blank line)"
            raise InputError(
                f"{path.name}, line {number} has {found} but there are {width} columns."
            )


def _quoted(columns: Mapping[str, Sequence[str]], path: Path) -> tuple[str, ...]:
    quoted = sum(
        len(field) > 1 and field[0] == field[-1] == '"'
        for column in columns.values()
        for field in column
    )
    if not quoted:
        return ()
    return (f"{quoted} fields of {path.name} keep their quotes: .tsv is read without quoting.",)
