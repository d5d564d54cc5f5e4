"""Retrieval by layer as a table in the terminal, and what it rests on in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from layergeom.show.cells import visible, with_error
from layergeom.written import counted, minus

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.tasks.retrieval_result import RetrievalEvaluation

BESIDE = 4  # scores that a line of 80 characters holds
_BEST = "▶"


def retrieval_tables(found: RetrievalEvaluation) -> list[Table]:
    """Return tables of one row per layer: all scores, the best of each marked, and the losses."""
    columns = {
        name: _cells(score.values.tolist(), score.errors.tolist())
        for name, score in found.scores.items()
    }
    parts = [list(columns)[at : at + BESIDE] for at in range(0, len(columns), BESIDE)]
    scores = [_table(found, names, [columns[name] for name in names]) for names in parts]
    return [*scores, loss_table(found)]


def loss_table(found: RetrievalEvaluation) -> Table:
    """Return the blocks of every layer, what it loses of the first score, and the bound."""
    name, score = next(iter(found.scores.items()))
    lost = zip(score.loss.values.tolist(), score.loss.errors.tolist(), strict=True)
    blocks = ["" if number is None else str(number) for number in found.blocks]
    columns = [
        blocks,
        [with_error(value, error, 4) for value, error in lost],
        [_bound(bound) for bound in score.loss.bounds.tolist()],
    ]
    return _table(found, ["blocks", f"loss of {name}", "at most"], columns)


def _table(found: RetrievalEvaluation, names: list[str], columns: list[list[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, title_justify="left")
    table.add_column("layer", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for at, layer in enumerate(found.layers):
        table.add_row(Text(visible(layer)), *(column[at] for column in columns))
    return table


def _cells(values: list[float], errors: list[float]) -> list[str]:
    best = max((value for value in values if value == value), default=None)
    return [
        f"{_BEST if value == best else ''}{with_error(value, error, 3)}"
        for value, error in zip(values, errors, strict=True)
    ]


def _bound(value: float) -> str:
    if math.isnan(value):
        return ""
    return minus(f"{value:.4f}") if math.isfinite(value) else "no bound"


def retrieval_lines(found: RetrievalEvaluation) -> list[str]:
    """Return what the numbers are of, and how the layer for a limit is found."""
    settings = found.provenance["settings"]
    share = f"{100 * found.confidence:g} %"
    searched = (
        f"{counted(len(found.queries), 'query', 'queries')} among "
        f"{counted(found.counts['documents'], 'document', 'documents')} by cosine; "
        f"relevant by {found.truth}; nDCG with linear gain, as trec_eval and BEIR."
    )
    lost = (
        f"Losses are against {visible(found.reference)}, the model's own output, on the same "
        f"queries; 'at most': {share}, one-sided, for each layer alone "
        f"({settings['draws']:,} paired bootstrap draws)."
    )
    lines = [searched, lost]
    best = {score.loss_to_best.against for score in found.scores.values()}
    if best != {found.reference}:
        named = ", ".join(f"{s.loss_to_best.against} ({n})" for n, s in found.scores.items())
        lines.append(f"Best, as picked on the same queries: {named}.")
    return lines
