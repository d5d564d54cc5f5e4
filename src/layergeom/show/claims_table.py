"""Claims with their verdicts as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from layergeom.reading.verdicts import Claim
from layergeom.show.cells import visible

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {"holds": "green", "does not hold": "red", "cannot be told": "dim"}


def claims_table(claims: Sequence[Claim]) -> Table:
    """Return a table with a row per claim: the claim, its verdict, the numbers or what is missing.

    Returns
    -------
    rich.table.Table
        Evidence first; where it cannot be told, what would settle it behind "needs".
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("", no_wrap=True)
    table.add_column("claim", ratio=2)
    table.add_column("verdict", no_wrap=True)
    table.add_column("numbers", ratio=3)
    for claim in claims:
        style = STYLES[claim.verdict]
        cells = (claim.name, claim.statement, claim.verdict, _numbers(claim))
        table.add_row(*(Text(visible(cell), style=style) for cell in cells))
    return table


def _numbers(claim: Claim) -> str:
    needs = f"needs {claim.needs}" if claim.needs else ""
    return "; ".join(part for part in (claim.evidence, needs) if part)
