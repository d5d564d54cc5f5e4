"""Corpus and queries of a retrieval set, in BEIR's layout or as Python holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from layergeom.errors import InputError, InputTypeError
from layergeom.states.datafiles import read_data
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.lines import listed
from layergeom.states.tables import Table, from_columns, is_columnar

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
IDS = ("_id", "id")
TEXT, TITLE = "text", "title"


@dataclass(frozen=True, eq=False)
class RetrievalTexts:
    """Documents or queries, those without a text left out.

    Attributes
    ----------
    ids : tuple of n str
        All different.
    texts : tuple of n str
        What is encoded, but for the prompt: of a document its title and its text, joined by a
        blank.
    bodies : tuple of n str
        The text alone.
    empty : tuple of str
        Ids of what was left out.
    source : str
        What messages call them.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    bodies: tuple[str, ...]
    empty: tuple[str, ...]
    source: str

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each id."""
        return {name: row for row, name in enumerate(self.ids)}

    def samples(self, prompt: str = "") -> Samples:
        """Return what a model is run on, every row of it."""
        texts = [prompt + text for text in self.texts]
        return replace(read_samples(texts, max_samples="all"), ids=self.ids)

    def take(self, rows: Sequence[int]) -> RetrievalTexts:
        """Return the rows of these numbers, in their order."""
        ids, texts, bodies = (
            tuple(column[row] for row in rows) for column in (self.ids, self.texts, self.bodies)
        )
        return RetrievalTexts(ids, texts, bodies, self.empty, self.source)


def is_retrieval_folder(path: object) -> bool:
    """Whether a folder has a corpus and queries in BEIR's layout."""
    if not isinstance(path, (str, Path)):
        return False
    return all(_file(Path(path), name) is not None for name in (CORPUS, QUERIES))


def retrieval_files(folder: Path | str) -> tuple[Path, Path, Path | None]:
    """Return corpus, queries and the folder of the judgments, None where there is none.

    Raises
    ------
    InputError
        If the folder is not in BEIR's layout.
    """
    path = Path(folder)
    corpus, queries = (_file(path, name) for name in (CORPUS, QUERIES))
    if corpus is None or queries is None:
        raise InputError(
            f"{folder} is no retrieval set: it needs {CORPUS} and {QUERIES} (and {QRELS}/test.tsv "
            "where there are judgments)."
        )
    return corpus, queries, path / QRELS if (path / QRELS).is_dir() else None


def _file(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / f"{name}.gz")
    return next((place for place in places if place.is_file()), None)


def read_retrieval_texts(source: Any, name: str, *, titles: bool = True) -> RetrievalTexts:
    """Read documents or queries.

    Parameters
    ----------
    source : path or object
        A file with the columns ``_id`` (or ``id``), ``text`` and perhaps ``title``; a mapping from
        id to text, or to a mapping with ``text`` and ``title``; columns, a data frame, or a list of
        texts, which are called by their numbers.
    name : str
        ``corpus`` or ``queries``, for messages.
    titles : bool
        Whether a title is put before the text, as BEIR does with documents.

    Raises
    ------
    InputError
        If there is no text column, an id repeats, or no row has a text.
    InputTypeError
        If a text is none.

    Examples
    --------
    >>> read_retrieval_texts(
    ...     {"d1": {"title": "Fox", "text": "It runs."}, "d2": " "}, "corpus"
    ... ).empty
    ('d2',)
    """
    if isinstance(source, RetrievalTexts):
        return source
    table = _table(source, name)
    ids = _ids(table)
    bodies = _column(table, _text_column(table))
    heads = _column(table, TITLE) if titles and TITLE in table.columns else [""] * table.n
    texts = [f"{head} {body}".strip() for head, body in zip(heads, bodies, strict=True)]
    empty = tuple(key for key, text in zip(ids, texts, strict=True) if not text)
    if len(empty) == len(ids):
        raise InputError(f"{table.source} has no row with a text; at least three are needed.")
    whole = RetrievalTexts(tuple(ids), tuple(texts), tuple(bodies), empty, table.source)
    return whole.take([row for row, text in enumerate(texts) if text]) if empty else whole


def _table(source: Any, name: str) -> Table:
    if isinstance(source, (str, Path)):
        return read_data(Path(source), lambda _: True)
    if isinstance(source, Mapping) and all(isinstance(x, (str, Mapping)) for x in source.values()):
        records = [x if isinstance(x, Mapping) else {TEXT: x} for x in source.values()]
        columns = {key: [record.get(key, "") for record in records] for key in (TITLE, TEXT)}
        return from_columns({"_id": list(source), **columns}, name)
    if is_columnar(source):
        return from_columns(source, name)
    if isinstance(source, (str, bytes)) or not isinstance(source, Sequence):
        raise InputTypeError(
            f"{name} cannot be read from {type(source).__name__}; give a file, a mapping from id "
            "to text, or a list of texts."
        )
    return from_columns({TEXT: list(source)}, name)


def _ids(table: Table) -> list[str]:
    column = next((table.columns[name] for name in IDS if name in table.columns), None)
    if column is None:
        return [str(row) for row in range(table.n)]
    ids = [str(value) for value in column]
    twice = [name for name, times in Counter(ids).items() if times > 1]
    if twice:
        raise InputError(
            f"{len(twice)} ids of {table.source} stand for several rows ({listed(twice)}); a "
            "judgment could mean any of them, so give every row an id of its own."
        )
    return ids


def _text_column(table: Table) -> str:
    if TEXT in table.columns:
        return TEXT
    others = [name for name in table.columns if name not in (*IDS, TITLE)]
    if len(others) == 1:
        return others[0]
    raise InputError(f"{table.source} has no column {TEXT!r}; {table.listing()}.")


def _column(table: Table, name: str) -> list[str]:
    return [_text(value, table.place(row), name) for row, value in enumerate(table.column(name))]


def _text(value: Any, place: str, name: str) -> str:
    if value is None or value != value:
        return ""
    if not isinstance(value, str):
        raise InputTypeError(f"{place}: the {name} is a {type(value).__name__}; a text is needed.")
    return value.strip()
