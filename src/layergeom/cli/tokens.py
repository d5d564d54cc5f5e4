"""The command about the tokens of single sequences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import (
    AsJson,
    Device,
    MaxLength,
    ProtocolName,
    Revision,
    Rows,
    Seed,
    SpecialTokens,
)
from layergeom.cli.printing import print_json, progress_bar
from layergeom.cli.workforce import Workforce
from layergeom.errors import InputError
from layergeom.show.cells import visible


@command
def clouds(
    model: Annotated[str, typer.Argument(help="Hub id or local folder; causal ones give a loss.")],
    data: Annotated[str, typer.Argument(help="As for run.")],
    rows: Rows,
    workforce: Workforce,
    out: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of clouds.jsonl; the job goes on there.")
    ] = Path("layergeom-clouds"),
    protocol: ProtocolName = None,
    rank: Annotated[
        int | None, typer.Option(help="n1 of Gride. Default: the protocol's, else 1, TwoNN.")
    ] = None,
    shuffled: Annotated[
        int | None, typer.Option(help="Prompts that a protocol also measures shuffled; 0: none.")
    ] = None,
    max_length: MaxLength = None,
    special_tokens: SpecialTokens = None,
    seed: Seed = 0,
    device: Device = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Measure the tokens of each sequence as a cloud of its own, with the sequence's loss.

    With --protocol viswanathan2025 also by degrees of shuffling, and the paper's claims on it.
    --max-samples and --max-length are then the prompts and their tokens.
    """
    common = {"seed": seed, "revision": revision, "folder": out, "device": device}
    given: dict[str, Any] = {name: value for name, value in common.items() if value is not None}
    if protocol is not None:
        if special_tokens:
            raise InputError(f"{protocol} feeds no special tokens; leave --special-tokens out.")
        sizes = {"prompts": rows.given().get("max_samples"), "prompt_tokens": max_length}
        sizes |= {"rank": rank, "shuffled_prompts": shuffled, "text_column": rows.text_column}
        with workforce.hired() as workers:
            _graded(model, data, protocol, {**given, **sizes, "executor": workers}, as_json)
        return
    if shuffled is not None:
        raise InputError("--shuffled belongs to a protocol; give --protocol viswanathan2025.")
    asked = {"max_length": max_length, "special_tokens": special_tokens, "rank": rank}
    given |= {name: value for name, value in asked.items() if value is not None}
    with workforce.hired() as workers:
        _plain(model, data, {**given, **rows.given(), "executor": workers}, as_json)


def _plain(model: str, data: str, given: dict[str, Any], as_json: bool) -> None:
    from layergeom.tasks.token_clouds import FILE, token_clouds

    with progress_bar() as progress:
        found = token_clouds(model, data, progress=progress, **given)
    if as_json:
        print_json(asdict(found) | {"association": [asdict(x) for x in found.association()]})
        return
    from rich.console import Console

    from layergeom.show.clouds_table import clouds_table

    Console().print(clouds_table(found))
    _tell(found.warnings, given["folder"] / FILE)


def _graded(model: str, data: str, protocol: str, given: dict[str, Any], as_json: bool) -> None:
    from layergeom.tasks.graded_clouds import graded_clouds

    with progress_bar() as progress:
        found = graded_clouds(model, data, protocol, progress=progress, **given)
    if as_json:
        facts = {"association": [asdict(x) for x in found.intact.association()]}
        print_json(asdict(found) | facts | {"claims": [asdict(claim) for claim in found.claims]})
        return
    from rich.console import Console

    from layergeom.show.claims_table import claims_table
    from layergeom.show.clouds_table import clouds_table, levels_table
    from layergeom.show.protocol_lines import departure_lines

    console = Console()
    console.print(clouds_table(found.intact))
    if len(found.levels) > 1:
        console.print("", levels_table(found), sep="\n")
    console.print("", claims_table(found.claims), sep="\n")
    _tell((*departure_lines(found.record), *found.warnings), given["folder"])


def _tell(lines: Iterable[str], place: Path) -> None:
    for line in lines:
        typer.echo(f"Warning: {visible(line)}")
    typer.echo(f"\nWritten:\n  {place}")
