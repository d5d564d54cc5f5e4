"""Runs that many processes share."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import AsJson
from layergeom.cli.printing import print_json, progress_bar


@command
def merge(
    run_folder: Annotated[Path, typer.Argument(help="Folder of the run (-o of its shards).")],
    as_json: AsJson = False,
) -> None:
    """Put the shards of a run together; the same run without --shard then goes on with them."""
    from layergeom.tasks.shards import merge_shards

    rows = merge_shards(run_folder)
    if as_json:
        print_json({"rows": rows})
    else:
        typer.echo(f"{rows:,} rows are together in {run_folder}; run again without --shard.")


def leave_shard(shard: str, out: Path, options: dict[str, Any], as_json: bool) -> None:
    """Read a share of the rows, and say what is left to do."""
    from layergeom.tasks.shards import extract_share

    given = {name: value for name, value in options.items() if name != "folder"}
    with progress_bar() as progress:
        done = extract_share(shard=shard, folder=out, progress=progress, **given)
    if as_json:
        print_json(asdict(done))
        return
    left = f"still missing: {', '.join(done.missing)}" if done.missing else f"layergeom merge {out}"
    typer.echo(f"shard {done.shard}: {done.rows:,} rows in {out}; {left}")
