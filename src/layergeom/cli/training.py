"""Commands about the checkpoints of a training run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import (
    AsJson,
    Checkpoints,
    Estimation,
    ForwardPass,
    Kept,
    Out,
    ProtocolName,
    Reading,
    Revisions,
    View,
)
from layergeom.cli.printing import leave, progress_bar
from layergeom.cli.ranks import check_alone
from layergeom.cli.workforce import Workforce
from layergeom.show.cells import visible


@command
def dynamics(
    model: Annotated[str, typer.Argument(help="Folder of checkpoints, or hub id.")],
    data: Annotated[str, typer.Argument(help="As for run.")],
    checkpoints: Checkpoints,
    kept: Kept,
    reading: Reading,
    view: View,
    forward: ForwardPass,
    estimation: Estimation,
    workforce: Workforce,
    revisions: Revisions = None,
    out: Out = Path("layergeom-dynamics"),
    protocol: ProtocolName = None,
    as_json: AsJson = False,
) -> None:
    """Profile the checkpoints of a training run on the same data; the report is of the last one."""
    from layergeom import api
    from layergeom.profile_result import ProfileResult

    check_alone("layergeom dynamics")
    options: dict[str, Any] = {"protocol": protocol, "folder": out}
    for bundle in (checkpoints, kept, reading, view, forward, estimation):
        options |= bundle.given()
    with told_on_stderr(), progress_bar() as progress, workforce.hired() as workers:
        options |= {"executor": workers, "progress": progress}
        found = api.dynamics(model, data, revisions=revision_names(revisions), **options)
    leave(ProfileResult.of(found.profiles[-1]), out, as_json, found)


def revision_names(text: str | None) -> Any:
    """Return names separated by commas as a list, and one pattern as it is."""
    return text.split(",") if text and "," in text else text


@contextmanager
def told_on_stderr() -> Iterator[None]:
    """Say warnings in a line of their own on stderr."""

    def tell(message: Warning | str, *_: Any, **__: Any) -> None:
        typer.echo(f"layergeom: {visible(message)}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield
