"""Commands about the checkpoints of a training run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from layergeom.cli.app import app
from layergeom.cli.options import (
    AsJson,
    BatchSize,
    Device,
    Dtype,
    ExcludeFrom,
    K,
    LabelsFrom,
    Long,
    MaxLength,
    MaxSamples,
    Out,
    Pool,
    Seed,
    TextColumn,
    forward,
    row_limit,
)
from layergeom.cli.printing import leave, progress_bar

Revisions = Annotated[
    str | None, typer.Option(help="Names or patterns ('step*'), separated by commas.")
]
CountedAxis = Annotated[
    Literal["step", "tokens"], typer.Option(help="Which number of the names orders checkpoints.")
]
MaxCheckpoints = Annotated[
    int | None, typer.Option(help="Checkpoints at most, spread on the logarithm of the axis.")
]
KeptPart = Annotated[
    Literal["auto", "profile", "states", "weights"],
    typer.Option(help="What is left of a measured checkpoint; auto: states of local ones."),
]


@app.command()
def dynamics(
    model: Annotated[str, typer.Argument(help="Folder of checkpoints, or hub id.")],
    data: Annotated[str, typer.Argument(help="As for run.")],
    revisions: Revisions = None,
    axis: CountedAxis = "step",
    max_checkpoints: MaxCheckpoints = None,
    keep: KeptPart = "auto",
    out: Out = Path("layergeom-dynamics"),
    labels: LabelsFrom = None,
    exclude: ExcludeFrom = None,
    text_column: TextColumn = None,
    pool: Pool = "auto",
    max_samples: MaxSamples = None,
    max_length: MaxLength = None,
    long: Long = "truncate",
    k: K = 30,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = "auto",
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Profile the checkpoints of a training run on the same data; the report is of the last one."""
    from layergeom import api

    with told_on_stderr(), progress_bar() as progress:
        found = api.dynamics(
            model,
            data,
            revisions=revision_names(revisions),
            axis=axis,
            max_checkpoints=max_checkpoints,
            keep=keep,
            labels=labels,
            exclude=exclude,
            text_column=text_column,
            max_samples=row_limit(max_samples),
            k=k,
            seed=seed,
            folder=out,
            progress=progress,
            **forward(pool, max_length, long, False, batch_size, device, dtype),
        )
    leave(api.ProfileResult.of(found.profiles[-1]), out, as_json, found)
    if not as_json and found.peak is not None:
        typer.echo(f"\nLayer-mean dimension: {found.peak}.")


def revision_names(text: str | None) -> Any:
    """Return names separated by commas as a list, and one pattern as it is."""
    return text.split(",") if text and "," in text else text


@contextmanager
def told_on_stderr() -> Iterator[None]:
    """Say warnings in a line of their own on stderr."""

    def tell(message: Warning | str, *_: Any, **__: Any) -> None:
        typer.echo(f"layergeom: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield
