"""The command about the tokens of single sequences."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import (
    AsJson,
    Device,
    MaxLength,
    Revision,
    Rows,
    Seed,
    SpecialTokens,
)
from layergeom.cli.printing import print_json, progress_bar
from layergeom.show.cells import visible


@command
def clouds(
    model: Annotated[str, typer.Argument(help="Hub id or local folder; causal ones give a loss.")],
    data: Annotated[str, typer.Argument(help="As for run.")],
    rows: Rows,
    out: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of clouds.jsonl; the job goes on there.")
    ] = Path("layergeom-clouds"),
    rank: Annotated[int, typer.Option(help="n1 of Gride; 1 is TwoNN.")] = 1,
    max_length: MaxLength = None,
    special_tokens: SpecialTokens = None,
    seed: Seed = 0,
    device: Device = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Measure the tokens of each sequence as a cloud of its own, with the sequence's loss."""
    from layergeom.tasks.token_clouds import FILE, token_clouds

    asked = {"max_length": max_length, "special_tokens": special_tokens, "device": device}
    options: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    with progress_bar() as progress:
        found = token_clouds(
            model,
            data,
            rank=rank,
            seed=seed,
            revision=revision,
            folder=out,
            progress=progress,
            **rows.given(),
            **options,
        )
    if as_json:
        print_json(asdict(found) | {"association": [asdict(x) for x in found.association()]})
        return
    from rich.console import Console

    from layergeom.show.clouds_table import clouds_table

    Console().print(clouds_table(found))
    for warning in found.warnings:
        typer.echo(f"Warning: {visible(warning)}")
    typer.echo(f"\nWritten:\n  {out / FILE}")
