"""The command about disjoint partitions of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import AsJson, Device, Revision, Seed, TextColumn, row_limit
from layergeom.cli.printing import print_json, progress_bar
from layergeom.cli.workforce import Workforce
from layergeom.show.cells import visible

if TYPE_CHECKING:
    from layergeom.tasks.partitions import Partitions


@command
def partitions(
    model: Annotated[str, typer.Argument(help="Hub id or local folder.")],
    data: Annotated[str, typer.Argument(help="Texts: a raw file, or a table as for run.")],
    workforce: Workforce,
    out: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of states and partitions.jsonl.")
    ] = Path("layergeom-partitions"),
    protocol: Annotated[str, typer.Option(help="A recipe of partitions.")] = "cheng2025",
    number: Annotated[
        int | None, typer.Option("--partitions", help="Default: the protocol's, 5.")
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(help="Sequences of each, or 'all'. Default: the protocol's, 10,000."),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="n1 of Gride. Default: where most layers are level.")
    ] = None,
    queries: Annotated[
        int | None,
        typer.Option(help="Rows ranked for the information imbalance. Default: all."),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Also through the network before training.")
    ] = False,
    text_column: TextColumn = None,
    seed: Seed = 0,
    device: Device = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Measure disjoint partitions of a corpus, intact and shuffled: mean, spread, peak, claims."""
    from layergeom.tasks.partition_runs import USUAL, partitions

    asked = {"number": number, "rank": rank, "queries": queries, "text_column": text_column}
    asked |= {"device": device, "revision": revision}
    asked |= {"rows": None if rows is None else row_limit(rows)}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    corpora = (*USUAL, "untrained") if untrained else USUAL
    with progress_bar() as progress, workforce.hired() as workers:
        found = partitions(
            model,
            data,
            protocol,
            corpora=corpora,
            seed=seed,
            folder=out,
            progress=progress,
            executor=workers,
            **given,
        )
    _print(found, out, as_json)


def _print(found: Partitions, out: Path, as_json: bool) -> None:
    from layergeom.show.claims_table import claims_table
    from layergeom.show.partitions_table import partition_facts, partitions_table, peak_line
    from layergeom.show.protocol_lines import departure_lines

    if as_json:
        print_json(partition_facts(found))
        return
    from rich.console import Console

    console = Console()
    console.print(partitions_table(found))
    typer.echo(f"\n{peak_line(found)}\n")
    console.print(claims_table(found.claims))
    for line in (*departure_lines(found.record), *found.warnings):
        typer.echo(f"Warning: {visible(line)}")
    typer.echo(f"\nWritten:\n  {out}")
