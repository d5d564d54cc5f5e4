"""Commands that measure one model, or show a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.app import app
from layergeom.cli.options import (
    AsJson,
    BatchSize,
    Device,
    Dtype,
    ExcludeFrom,
    GroupsFrom,
    HookPoint,
    K,
    LabelsFrom,
    Long,
    MaxLength,
    MaxSamples,
    Out,
    Part,
    Pool,
    Revision,
    Seed,
    SpecialTokens,
    Split,
    TextColumn,
    forward,
    row_limit,
)
from layergeom.cli.printing import leave, print_json, progress_bar
from layergeom.errors import InputError


@app.command()
def demo(out: Out = Path("layergeom-demo"), as_json: AsJson = False) -> None:
    """Profile the embedded model: an image GPT over scikit-learn's digits, and its training."""
    from layergeom.api import ProfileResult
    from layergeom.tasks.demo import demonstrate

    with progress_bar() as progress:
        profile, training = demonstrate(out, progress)
    leave(ProfileResult.of(profile), out, as_json, training, "layergeom demo")


@app.command()
def run(
    model: Annotated[str | None, typer.Argument(help="Hub id or local folder.")] = None,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Texts .txt .jsonl .csv .tsv, .fasta (or .gz), .npz, or a folder of images."
        ),
    ] = None,
    states: Annotated[
        str | None, typer.Option(help="Stored hidden states in place of MODEL and DATA.")
    ] = None,
    out: Out = Path("layergeom-run"),
    labels: LabelsFrom = None,
    exclude: ExcludeFrom = None,
    groups: GroupsFrom = None,
    split: Split = None,
    text_column: TextColumn = None,
    pool: Pool = "auto",
    hook_point: HookPoint = "residual",
    part: Part = None,
    max_samples: MaxSamples = None,
    max_length: MaxLength = None,
    long: Long = "truncate",
    special_tokens: SpecialTokens = False,
    k: K = 30,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = "auto",
    dtype: Dtype = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Profile MODEL on DATA, or stored states; the same command computes only what is missing."""
    from layergeom import api

    asked = {
        "text_column": text_column,
        "split": split,
        "max_samples": row_limit(max_samples),
        "revision": revision,
        "part": part,
        "hook_point": hook_point,
        **forward(pool, max_length, long, special_tokens, batch_size, device, dtype),
    }
    if states is None:
        source = {"model": _needed(model, "MODEL"), "data": _needed(data, "DATA"), **asked}
    elif model is not None:
        raise InputError("give MODEL and DATA, or --states DIR, but not both.")
    else:
        source = {"model": states, **_unusual(asked)}  # refused there, if any
    with progress_bar() as progress:
        result = api.profile(
            **source,
            labels=labels,
            exclude=exclude,
            groups=groups,
            k=k,
            seed=seed,
            folder=out,
            progress=progress,
        )
    leave(result, out, as_json)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(help="Folder with a profile.json, or the file.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write to. Default: the run's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write report, tables and figures again from a saved profile, without the states."""
    from layergeom import api

    place = run_folder if run_folder.is_dir() else run_folder.parent
    leave(api.load(run_folder), place if out is None else out, as_json)


@app.command()
def recommend(
    run_folder: Annotated[Path, typer.Argument(help="Folder with a profile.json, or the file.")],
    as_json: AsJson = False,
) -> None:
    """Say which layer to use, and how far to trust the choice."""
    from dataclasses import asdict

    from layergeom import api
    from layergeom.show.table import reading_lines

    reading = api.load(run_folder).reading
    if as_json:
        print_json({"recommendation": asdict(reading.recommendation)})
    else:
        typer.echo("\n".join(reading_lines(reading)))


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say what this installation has: versions, threads, neighbour kernel, devices."""
    from layergeom.tasks.environment import environment

    facts = environment()
    if as_json:
        print_json(facts)
    else:
        width = max(len(name) for name in facts)
        typer.echo("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise InputError(
            f"{name} is missing: give layergeom run MODEL DATA, or layergeom run --states DIR "
            "(layergeom demo needs neither)."
        )
    return value


def _unusual(asked: dict[str, Any]) -> dict[str, Any]:
    usual = {
        "pool": "auto",
        "hook_point": "residual",
        "long": "truncate",
        "special_tokens": False,
        "device": "auto",
    }
    return {name: value for name, value in asked.items() if value != usual.get(name)}
