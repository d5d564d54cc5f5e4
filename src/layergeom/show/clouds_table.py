"""The clouds of all sequences as a table: what they have in common by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.show.cells import UNKNOWN, number, with_error
from layergeom.written import minus

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.reading.associations import Association
    from layergeom.tasks.graded_clouds import GradedClouds
    from layergeom.tasks.token_clouds import TokenClouds


_SHOWN = {
    "dimension": "ID",
    "anisotropy": "anisotropy",
    "mean_cosine": "cosine",
    "overlap_next": "χ(l, l+1)",
    "prompt_entropy": "entropy",
}


def clouds_table(found: TokenClouds) -> Table:
    """Return a rich table with a row per layer.

    Means over sequences with the standard deviation from sequence to sequence, and the rank
    correlation of dimension and loss with its 95 % interval.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("layer")
    for title in (*(f"{head}, mean (sd)" for head in _SHOWN.values()), "ID and loss (95 %)"):
        table.add_column(title, justify="right")
    columns = [np.array([getattr(cloud, name) for cloud in found.clouds]) for name in _SHOWN]
    for at, together in enumerate(found.association()):
        cells = [_spread(values[:, at]) for values in columns]
        table.add_row(together.layer, *cells, interval(together))
    return table


def levels_table(found: GradedClouds) -> Table:
    """Return a rich table with a row per layer and a column per degree of shuffling.

    Means of the dimension with their standard errors, all of the prompts that are shuffled.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold", title="dimension by tokens of a shuffled block")
    table.add_column("layer")
    columns = levels_cells(found)
    for title in columns:
        table.add_column(title, justify="right")
    for at, layer in enumerate(found.intact.layers):
        table.add_row(layer, *(cells[at] for cells in columns.values()))
    return table


def levels_cells(found: GradedClouds, quantity: str = "dimension") -> dict[str, list[str]]:
    """Return the cells of each degree of shuffling, by its title; the intact prompts first."""
    ids = [cloud.id for cloud in found.levels[-1].found.clouds]
    columns = {}
    for level in found.levels:
        curve = level.found.repeats(ids).curves[quantity]
        title = "intact" if level.index == 0 else f"{level.block}"
        pairs = zip(curve.mean.tolist(), curve.error.tolist(), strict=True)
        columns[title] = [with_error(value, error) for value, error in pairs]
    return columns


def _spread(values: FloatArray) -> str:
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return UNKNOWN
    return f"{number(float(known.mean()))} ({number(float(known.std(ddof=1)), 2)})"


def interval(found: Association) -> str:
    """Return a correlation with its 95 % interval."""
    if np.isnan(found.value):
        return UNKNOWN
    if np.isnan(found.low):
        return minus(f"{found.value:+.2f}")
    value, low, high = (minus(f"{x:+.2f}") for x in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"
