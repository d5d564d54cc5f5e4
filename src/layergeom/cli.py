"""The command line: a command parses, makes one library call, and prints.

Tables and results go to stdout, progress and errors to stderr. Exit codes: 0 fine, 2 bad input
(the message names the remedy), 3 degenerate data.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layergeom.errors import InputError, LayergeomError
from layergeom.version import VERSION

if TYPE_CHECKING:
    from layergeom.api import ProfileResult
    from layergeom.tasks.dynamics import Dynamics

INTERRUPTED = 130

app = typer.Typer(
    name="layergeom",
    help="The geometry of every layer of a transformer, and the layer to use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        help="Column of DATA, file of labels or of id,label, or FILE:COLUMN (also :superfamily)."
    ),
]
ExcludeFrom = Annotated[
    str | None,
    typer.Option(help="Finer groups (column or file) whose members are no neighbours."),
]
TextColumn = Annotated[
    str | None,
    typer.Option(help="Column of the texts; 'title,text' joins two; digits if there is no header."),
]
MaxSamples = Annotated[
    str | None,
    typer.Option(help="Rows at most, or 'all'. Default: 20,000, sampled if there are more."),
]
K = Annotated[int, typer.Option("--k", help="Neighbours compared by the overlaps.")]
Seed = Annotated[int, typer.Option(help="Seed of all sampling.")]
Pool = Annotated[
    str,
    typer.Option(help="auto, mean, last or first. auto: the model's own, else mean."),
]
MaxLength = Annotated[int | None, typer.Option(help="Tokens per row. Default: the model's limit.")]
Long = Annotated[str, typer.Option(help="truncate, skip or error: rows beyond the maximal length.")]
SpecialTokens = Annotated[
    bool, typer.Option("--special-tokens", help="Let special tokens enter the pooling.")
]
BatchSize = Annotated[int | None, typer.Option(help="Rows per batch. Default: by tokens.")]
Device = Annotated[
    str,
    typer.Option(help="Where model and neighbour search run: auto, cpu, cuda, cuda:1 or mps."),
]
Dtype = Annotated[str | None, typer.Option(help="float32 (default), bfloat16 or float16.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")]


@app.command()
def demo(out: Out = Path("layergeom-demo"), as_json: AsJson = False) -> None:
    """Profile the embedded model: an image GPT over scikit-learn's digits, and its training."""
    from layergeom.api import ProfileResult
    from layergeom.tasks.demo import demonstrate

    with _progress() as progress:
        profile, training = demonstrate(out, progress)
    _leave(ProfileResult.of(profile), out, as_json, training, "layergeom demo")


@app.command()
def run(
    model: Annotated[str | None, typer.Argument(help="Hub id or local folder.")] = None,
    data: Annotated[
        str | None,
        typer.Argument(help="Texts .txt .jsonl .csv .tsv, sequences .fasta (or .gz), tokens .npz."),
    ] = None,
    states: Annotated[
        str | None, typer.Option(help="Stored hidden states in place of MODEL and DATA.")
    ] = None,
    out: Out = Path("layergeom-run"),
    labels: LabelsFrom = None,
    exclude: ExcludeFrom = None,
    text_column: TextColumn = None,
    pool: Pool = "auto",
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
        "max_samples": _max_samples(max_samples),
        "revision": revision,
        **_forward(pool, max_length, long, special_tokens, batch_size, device, dtype),
    }
    if states is None:
        source = {"model": _needed(model, "MODEL"), "data": _needed(data, "DATA"), **asked}
    elif model is not None:
        raise InputError("give MODEL and DATA, or --states DIR, but not both.")
    else:
        source = {"model": states, **_unusual(asked)}  # refused there, if any
    with _progress() as progress:
        result = api.profile(
            **source,
            labels=labels,
            exclude=exclude,
            k=k,
            seed=seed,
            folder=out,
            progress=progress,
        )
    _leave(result, out, as_json)


@app.command()
def dynamics(
    model: Annotated[str, typer.Argument(help="Folder of checkpoints, or hub id.")],
    data: Annotated[str, typer.Argument(help="As for run.")],
    revisions: Annotated[
        str | None, typer.Option(help="Names separated by commas, or a pattern such as 'step*'.")
    ] = None,
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

    with _progress() as progress:
        found = api.dynamics(
            model,
            data,
            revisions=_revisions(revisions),
            labels=labels,
            exclude=exclude,
            text_column=text_column,
            max_samples=_max_samples(max_samples),
            k=k,
            seed=seed,
            folder=out,
            progress=progress,
            **_forward(pool, max_length, long, False, batch_size, device, dtype),
        )
    _leave(api.ProfileResult.of(found.profiles[-1]), out, as_json, found)


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
    _leave(api.load(run_folder), place if out is None else out, as_json)


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
        _print_json({"recommendation": asdict(reading.recommendation)})
    else:
        typer.echo("\n".join(reading_lines(reading)))


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say what this installation has: versions, threads, neighbour kernel, devices."""
    from layergeom.tasks.environment import environment

    facts = environment()
    if as_json:
        _print_json(facts)
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
    usual = {"pool": "auto", "long": "truncate", "special_tokens": False, "device": "auto"}
    return {name: value for name, value in asked.items() if value != usual.get(name)}


def _max_samples(text: str | None) -> Any:
    if text is None or text == "all":
        return text
    if not text.isdecimal():
        raise InputError(f"--max-samples is {text!r}; give a whole number or 'all'.")
    return int(text)


def _revisions(text: str | None) -> Any:
    return text.split(",") if text and "," in text else text


def _forward(
    pool: str,
    max_length: int | None,
    long: str,
    special_tokens: bool,
    batch_size: int | None,
    device: str,
    dtype: str | None,
) -> dict[str, Any]:
    return {
        "pool": pool,
        "max_length": max_length,
        "long": long,
        "special_tokens": special_tokens,
        "batch_size": batch_size,
        "device": device,
        "dtype": dtype,
    }


def _leave(
    profile: ProfileResult,
    out: Path,
    as_json: bool,
    dynamics: Dynamics | None = None,
    command: str | None = None,
) -> None:
    """Write everything that a run leaves, and print it."""
    from dataclasses import asdict

    from layergeom.geometry import has_kernel
    from layergeom.show.run_folder import write_run
    from layergeom.tasks.environment import kernel_line

    if not has_kernel():
        typer.echo(f"layergeom: neighbours: {kernel_line()}.", err=True)
    reading = profile.reading
    paths = write_run(out, profile, reading, dynamics, command or _command())
    if as_json:
        content = {"profile": json.loads(profile.to_json()), "reading": asdict(reading)}
        if dynamics is not None:
            content["dynamics"] = _dynamics_json(dynamics)
        _print_json(content | {"files": [str(path) for path in paths]})
        return
    from rich.console import Console

    from layergeom.show.table import profile_table, reading_lines

    console = Console()
    console.print(profile_table(profile, reading))
    lines = reading_lines(reading)
    if dynamics is not None:
        lines.append(f"Training: {dynamics.turning_point}")
    lines += [f"Warning: {warning}" for warning in profile.warnings]
    typer.echo("\n" + "\n".join(lines) + "\n\nWritten:\n" + "\n".join(f"  {p}" for p in paths))


def _dynamics_json(dynamics: Dynamics) -> dict[str, Any]:
    return {
        "checkpoints": list(dynamics.checkpoints),
        "steps": dynamics.steps.tolist(),
        "profiles": [json.loads(profile.to_json()) for profile in dynamics.profiles],
        "overlap_to_final": dynamics.overlap_to_final.tolist(),
        "mean_dimension": dynamics.mean_dimension.values.tolist(),
        "mean_dimension_error": dynamics.mean_dimension.errors.tolist(),
        "turning_point": dynamics.turning_point,
    }


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(_without_nan(content), ensure_ascii=False, allow_nan=False, indent=1))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def _command() -> str:
    return shlex.join(["layergeom", *sys.argv[1:]])


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Show progress with the remaining time on stderr; nothing when it is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks: dict[str, Any] = {}

        def report(done: int, total: int, what: str) -> None:
            stage = what.split()[0]
            if stage not in tasks:
                tasks[stage] = bar.add_task(what, total=total)
            bar.update(tasks[stage], completed=done, total=total, description=what)

        yield report


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Keep the options that belong to no command."""
    if version:
        typer.echo(VERSION)
        raise typer.Exit


options.__doc__ = "The geometry of every layer of a transformer, and the layer to use."


def main() -> None:
    """Run the command line; errors become one line on stderr and an exit code."""
    # Threads of the matrix libraries sleep between products instead of spinning: a third less CPU,
    # and no standstill where other programs want the cores too.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except LayergeomError as error:
        typer.echo(f"layergeom: {error}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as leave:
        if leave.code == INTERRUPTED:  # what typer makes of Ctrl-C
            typer.echo("layergeom: interrupted; the same command keeps what is finished.", err=True)
        raise
