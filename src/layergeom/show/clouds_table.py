"""The clouds of all sequences as a table: what they have in common by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.show.cells import UNKNOWN, number

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.tasks.token_clouds import Association, TokenClouds


_SHOWN = {"dimension": "ID", "anisotropy": "anisotropy", "prompt_entropy": "entropy"}


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
        table.add_row(together.layer, *cells, _interval(together))
    return table


def _spread(values: FloatArray) -> str:
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return UNKNOWN
    return f"{number(float(known.mean()))} ({number(float(known.std(ddof=1)), 2)})"


def _interval(found: Association) -> str:
    if np.isnan(found.value):
        return UNKNOWN
    if np.isnan(found.low):
        return f"{found.value:+.2f}"
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
