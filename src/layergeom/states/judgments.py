"""Which documents were judged relevant to which queries: the qrels of a retrieval set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layergeom.errors import InputError, InputTypeError
from layergeom.states.datafiles import read_data
from layergeom.states.tables import Table

COLUMNS = ("query-id", "corpus-id", "score")
SPLIT = "test"  # what is read where there are several and none is named


@dataclass(frozen=True, eq=False)
class Judgments:
    """Scores of judged pairs.

    Attributes
    ----------
    scores : mapping of str to mapping of str to float
        By query and document; 0 and less is judged not relevant.
    source : str
        What messages call them.
    repeated : int
        Lines that say again what an earlier one said.
    """

    scores: Mapping[str, Mapping[str, float]]
    source: str
    repeated: int = 0


def read_judgments(source: Any, split: str | None = None) -> Judgments:
    """Read judgments.

    Parameters
    ----------
    source : path or mapping
        A file with the columns ``query-id``, ``corpus-id`` and ``score`` (``.tsv`` with a header,
        as BEIR has them; ``.csv`` and ``.jsonl`` too), a folder of such files, or a mapping from
        query to a mapping from document to score.
    split : str, optional
        Of a folder the file of that name; by default ``test``, or the only one.

    Raises
    ------
    InputError
        For a missing file or column, a score that is no number, or two scores of one pair; the
        message names the line.
    InputTypeError
        If the source is neither a path nor a mapping of mappings.

    Examples
    --------
    >>> read_judgments({"q1": {"d1": 2, "d2": 0}}).scores["q1"]
    {'d1': 2.0, 'd2': 0.0}
    """
    if isinstance(source, Judgments):
        return source
    if isinstance(source, Mapping):
        return Judgments({str(query): _row(query, row) for query, row in source.items()}, "qrels")
    if not isinstance(source, (str, Path)):
        raise InputTypeError(
            f"qrels cannot be read from {type(source).__name__}; give a file, or a mapping from "
            "query to a mapping from document to score."
        )
    path = Path(source)
    return _read(_of_split(path, split) if path.is_dir() else path)


def _row(query: Any, row: Any) -> dict[str, float]:
    if not isinstance(row, Mapping):
        raise InputTypeError(
            f"qrels of {query!r} are {type(row).__name__}; a mapping from document to score is "
            "needed."
        )
    return {str(name): _score(value, f"qrels of {query!r}") for name, value in row.items()}


def _of_split(folder: Path, split: str | None) -> Path:
    files = {path.name.partition(".")[0]: path for path in sorted(folder.glob("*.tsv*"))}
    if split is None:
        split = SPLIT if SPLIT in files or len(files) != 1 else next(iter(files))
    if split not in files:
        there = f"there are {', '.join(files)}" if files else "it holds no .tsv file"
        raise InputError(f"{folder} has no judgments {split}.tsv; {there}.")
    return files[split]


def _read(path: Path) -> Judgments:
    table = read_data(path, lambda _: True)
    queries, documents, given = (table.column(name) for name in COLUMNS)
    scores: dict[str, dict[str, float]] = {}
    for row, (query, document) in enumerate(zip(queries, documents, strict=True)):
        score = _score(given[row], table.place(row))
        of_query = scores.setdefault(str(query), {})
        if of_query.setdefault(str(document), score) != score:
            raise _contradiction(table, row, str(query), str(document))
    repeated = table.n - sum(map(len, scores.values()))
    return Judgments(scores, path.name, repeated)


def _score(value: Any, place: str) -> float:
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise InputError(f"{place}: the score is {value!r}; a number is needed (0: not relevant).")
    return score


def _contradiction(table: Table, row: int, query: str, document: str) -> InputError:
    return InputError(
        f"{table.place(row)}: query {query!r} and document {document!r} were given another score "
        "before; keep one of the lines."
    )
