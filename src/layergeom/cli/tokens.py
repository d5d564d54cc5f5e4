"""The command about the tokens of single sequences."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from layergeom.cli.app import app
from layergeom.cli.options import (
    AsJson,
    Device,
    MaxLength,
    MaxSamples,
    Revision,
    Seed,
    SpecialTokens,
    TextColumn,
    row_limit,
)
from layergeom.cli.printing import print_json, progress_bar


@app.command()
def clouds(
    model: Annotated[str, typer.Argument(help="Hub id or local folder; causal ones give a loss.")],
    data: Annotated[str, typer.Argument(help="As for run.")],
    out: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of clouds.jsonl; the job goes on there.")
    ] = Path("layergeom-clouds"),
    rank: Annotated[int, typer.Option(help="n1 of Gride; 1 is TwoNN.")] = 1,
    text_column: TextColumn = None,
    max_samples: MaxSamples = None,
    max_length: MaxLength = None,
    special_tokens: SpecialTokens = False,
    seed: Seed = 0,
    device: Device = "auto",
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Measure the tokens of each sequence as a cloud of its own, with the sequence's loss."""
    from layergeom.tasks.token_clouds import FILE, token_clouds

    with progress_bar() as progress:
        found = token_clouds(
            model,
            data,
            rank=rank,
            text_column=text_column,
            max_samples=row_limit(max_samples),
            max_length=max_length,
            special_tokens=special_tokens,
            seed=seed,
            device=device,
            revision=revision,
            folder=out,
            progress=progress,
        )
    if as_json:
        print_json(asdict(found) | {"association": [asdict(x) for x in found.association()]})
        return
    from rich.console import Console

    from layergeom.show.clouds_table import clouds_table

    Console().print(clouds_table(found))
    for warning in found.warnings:
        typer.echo(f"Warning: {warning}")
    typer.echo(f"\nWritten:\n  {out / FILE}")
