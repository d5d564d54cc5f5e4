"""Scores of layers as a table in the terminal, and their regrets in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layergeom.show.cells import visible, with_error

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.tasks.evaluate import Evaluation
    from layergeom.tasks.scores import Regret

_TITLES = {"knn": "kNN", "linear_probe": "linear probe", "retrieval": "1-NN retrieval"}
_BEST = "▶"


def evaluation_table(found: Evaluation) -> Table:
    """Return one row per layer, the best of each score marked; macro where classes are unequal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, title_justify="left")
    table.add_column("layer", no_wrap=True)
    columns: list[list[str]] = []
    for name, score in found.scores.items():
        shown = [("", score.values, score.errors)]
        if found.unbalanced:
            shown.append((" (macro)", score.macro, score.macro_errors))
        for suffix, values, errors in shown:
            table.add_column(_TITLES[name] + suffix, justify="right", no_wrap=True)
            columns.append(_cells(values.tolist(), errors.tolist()))
    for at, layer in enumerate(found.layers):
        table.add_row(Text(visible(layer)), *(column[at] for column in columns))
    return table


def _cells(values: list[float], errors: list[float]) -> list[str]:
    best = max((value for value in values if value == value), default=None)
    return [
        f"{_BEST if value == best else ''}{with_error(value, error, 3)}"
        for value, error in zip(values, errors, strict=True)
    ]


def evaluation_lines(found: Evaluation) -> list[str]:
    """Return what choices lose, on what the numbers rest, and the levels of chance."""
    counts = found.counts
    lines = [_regret_line(regret) for regret in found.regrets]
    chance = ", ".join(f"{_TITLES[n]} {s.chance:.3f}" for n, s in found.scores.items())
    lines.append(f"Chance: {chance}.")
    lines.append(
        f"{counts['rows']:,} rows of {counts['classes']} classes "
        f"({counts['smallest_class']:,} to {counts['largest_class']:,} rows each); errors over "
        f"{found.errors_of}."
    )
    return lines


def _regret_line(regret: Regret) -> str:
    head = f"{_TITLES[regret.score]}, {regret.choice} ({visible(regret.layer)})"
    if regret.layer == regret.best:
        return f"{head}: the best layer."
    if regret.value != regret.value:
        return f"{head}: no score."
    gap = with_error(regret.value, regret.error, 4)
    return f"{head}: {gap} below the best ({visible(regret.best)})."
