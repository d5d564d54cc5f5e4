"""Commands about the two papers: their protocols, and their claims on one's own runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import AsJson
from layergeom.cli.printing import print_json


@command
def protocols(
    name: Annotated[str | None, typer.Argument(help="One protocol, in full.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the papers' protocols, or one with its recipe, claims and worked commands."""
    from layergeom.show.protocol_lines import protocol_facts, protocol_lines, protocol_list
    from layergeom.tasks.protocols import PROTOCOLS, protocol

    chosen = list(PROTOCOLS.values()) if name is None else [protocol(name)]
    if as_json:
        print_json({"protocols": [protocol_facts(recipe) for recipe in chosen]})
        return
    typer.echo("\n".join(protocol_list(chosen) if name is None else protocol_lines(chosen[0])))


@command
def claims(
    run_folders: Annotated[
        list[Path],
        typer.Argument(help="Run folders, of growing model size; the last one is judged."),
    ],
    training: Annotated[
        Path | None, typer.Option(help="Folder of a dynamics run. Default: the last run's own.")
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(help="The same run with, or without, --exclude.")
    ] = None,
    variant: Annotated[
        list[Path] | None,
        typer.Option(help="The same run with other k, hook point or pooling; may be repeated."),
    ] = None,
    evaluation: Annotated[
        str | None,
        typer.Option(
            help="Your own measure: a table of layer, value, error, or FILE:SCORE, where FILE is "
            "what evaluate --json printed."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test the papers' claims on finished runs: holds, does not hold, or cannot be told."""
    from dataclasses import asdict

    from layergeom.tasks.claim_runs import claims_of_runs

    found = claims_of_runs(
        run_folders,
        training=training,
        comparison=comparison,
        variants=variant or (),
        evaluation=evaluation,
    )
    if as_json:
        print_json({"claims": [asdict(claim) for claim in found]})
        return
    from rich.console import Console

    from layergeom.show.claims_table import claims_table

    Console().print(claims_table(found))
