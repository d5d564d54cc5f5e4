"""What commands print and leave behind: tables or JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from layergeom.show.cells import visible

if TYPE_CHECKING:
    from layergeom.profile_result import ProfileResult
    from layergeom.states.views import View
    from layergeom.tasks.dynamics import Dynamics


def leave(
    profile: ProfileResult,
    out: Path,
    as_json: bool,
    dynamics: Dynamics | None = None,
    command: str | None = None,
    further: tuple[Path, ...] = (),
) -> None:
    """Write everything that a run leaves, and print it, with what was written before."""
    from layergeom.geometry import has_kernel
    from layergeom.show.run_folder import write_run
    from layergeom.tasks.environment import kernel_line

    if not has_kernel():
        typer.echo(f"layergeom: neighbours: {kernel_line()}.", err=True)
    reading = profile.reading
    paths = (*write_run(out, profile, reading, dynamics, command or command_line()), *further)
    if as_json:
        content = _facts(profile)
        if dynamics is not None:
            content["dynamics"] = _dynamics_json(dynamics)
        print_json(content | {"files": [str(path) for path in paths]})
        return
    from rich.console import Console

    from layergeom.show.table import added_table, profile_table, reading_lines

    console = Console()
    console.print(profile_table(profile, reading))
    added = added_table(profile)
    if added is not None:
        console.print("", added, sep="\n")
    lines = reading_lines(reading)
    if dynamics is not None:
        lines.append(f"Training: {dynamics.turning_point}")
    lines += [f"Warning: {visible(warning)}" for warning in profile.warnings]
    typer.echo("\n" + "\n".join(lines) + "\n\nWritten:\n" + "\n".join(f"  {p}" for p in paths))


def leave_views(profiles: dict[View, ProfileResult], out: Path, as_json: bool) -> None:
    """Write what a run of several views leaves, each in its folder, and print them."""
    from layergeom.show.run_folder import write_run

    facts = {}
    for view, profile in profiles.items():
        place = out / view.name
        if not as_json:
            typer.echo(f"{view.name}\n")
            leave(profile, place, as_json)
            typer.echo("")
            continue
        paths = write_run(place, profile, profile.reading, None, command_line())
        facts[view.name] = _facts(profile) | {"files": [str(path) for path in paths]}
    if as_json:
        print_json({"views": facts})


def _facts(profile: ProfileResult) -> dict[str, Any]:
    return {"profile": json.loads(profile.to_json()), "reading": asdict(profile.reading)}


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


def print_json(content: dict[str, Any]) -> None:
    """Print JSON that every parser reads: what is not a number is null."""
    typer.echo(json.dumps(_without_nan(content), ensure_ascii=False, allow_nan=False, indent=1))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def command_line() -> str:
    """Return the command as it was typed, quoted for a shell."""
    return shlex.join(["layergeom", *sys.argv[1:]])


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None]]:
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
