"""The command that looks after things: this installation, or what a run has left."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import AsJson
from layergeom.cli.printing import print_json

DAMAGED = 3


@command
def check(
    path: Annotated[
        Path | None,
        typer.Argument(help="Folder of a run, or a store: verify it. Default: this installation."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what this installation has, or verify what a run has left at PATH (3: damaged)."""
    if path is None:
        _say_installation(as_json)
    else:
        _say_damage(path, as_json)


def _say_installation(as_json: bool) -> None:
    from layergeom.tasks.environment import environment

    facts = environment()
    if as_json:
        print_json(facts)
    else:
        width = max(len(name) for name in facts)
        typer.echo("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))


def _say_damage(path: Path, as_json: bool) -> None:
    from layergeom.tasks.check import check as checked

    found = checked(path)
    damaged = any(one.state == "damaged" for one in found)
    if as_json:
        print_json({"sound": not damaged, "checked": [asdict(one) for one in found]})
    else:
        counts = Counter(one.state for one in found)
        lines = [f"{one.state:<11}{one.path}: {one.text}" for one in found]
        lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
        typer.echo("\n".join(lines))
    if damaged:
        raise typer.Exit(DAMAGED)
