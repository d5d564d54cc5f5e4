"""Scores of layers as a table in the terminal, and their regrets in sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from layergeom.show.cells import visible, with_error
from layergeom.written import minus

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.tasks.evaluate import Evaluation
    from layergeom.tasks.scores import Regret

_TITLES = {
    "knn": "kNN",
    "linear_probe": "linear probe",
    "retrieval": "1-NN retrieval",
    "knn_r2": "kNN R²",
    "knn_spearman": "kNN ρ",
    "linear_probe_r2": "ridge R²",
    "linear_probe_spearman": "ridge ρ",
    "retrieval_spearman": "1-NN ρ",
    "knn_f1": "kNN F1",
    "knn_jaccard": "kNN Jaccard",
    "linear_probe_f1": "ridge F1",
    "retrieval_jaccard": "1-NN Jaccard",
}
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
    chance = ", ".join(f"{_TITLES[n]} {minus(f'{s.chance:.3f}')}" for n, s in found.scores.items())
    lines.append(f"Chance: {chance}.")
    lines.append(
        f"{counts['rows']:,} rows {_OF[found.label_type](counts)}; errors over {found.errors_of}."
    )
    return lines


def _of_classes(counts: Mapping[str, int]) -> str:
    smallest, largest = counts["smallest_class"], counts["largest_class"]
    return f"of {counts['classes']} classes ({smallest:,} to {largest:,} rows each)"


def _of_numbers(counts: Mapping[str, int]) -> str:
    return f"with a number each ({counts['different_numbers']:,} different ones)"


def _of_several(counts: Mapping[str, int]) -> str:
    mean = counts["labels_of_rows"] / counts["rows"]
    return f"with {mean:.1f} of {counts['labels']:,} labels on average"


_OF: Mapping[str, Callable[[Mapping[str, int]], str]] = {
    "class": _of_classes,
    "number": _of_numbers,
    "multi": _of_several,
}


def _regret_line(regret: Regret) -> str:
    head = f"{_TITLES[regret.score]}, {regret.choice} ({visible(regret.layer)})"
    if regret.layer == regret.best:
        return f"{head}: the best layer."
    if regret.value != regret.value:
        return f"{head}: no score."
    gap = with_error(regret.value, regret.error, 4)
    return f"{head}: {gap} below the best ({visible(regret.best)})."
