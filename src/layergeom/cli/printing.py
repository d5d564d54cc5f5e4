"""What commands print and leave behind: tables or JSON on stdout, progress on stderr."""

from __future__ import annotations

import codecs
import io
import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from layergeom.written import MINUS

if TYPE_CHECKING:
    from layergeom.profile_result import ProfileResult
    from layergeom.states.views import View
    from layergeom.tasks.dynamics import Dynamics

JSON_SCHEMA = 1  # of what --json prints: grows when a key goes or changes its meaning


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
    profile = as_typed(profile)
    reading = profile.reading
    paths = (*write_run(out, profile, reading, dynamics, command or command_line()), *further)
    if as_json:
        content = _facts(profile)
        if dynamics is not None:
            content["dynamics"] = _dynamics_json(dynamics)
        print_json(content | {"files": [str(path) for path in paths]})
        return
    _say_profile(profile, dynamics)
    typer.echo("\nWritten:\n" + "\n".join(f"  {path}" for path in paths))


def as_typed(profile: ProfileResult) -> ProfileResult:
    """Return a profile that holds the command it was just made by; a loaded one keeps its own."""
    from layergeom.reading.next_command import COMMAND

    if sys.argv[1:2] not in (["run"], ["dynamics"]):
        return profile
    return replace(profile, provenance={**profile.provenance, COMMAND: sys.argv[1:]})


def _say_profile(profile: ProfileResult, dynamics: Dynamics | None) -> None:
    from rich.console import Console

    from layergeom.show.cells import visible
    from layergeom.show.table import added_table, profile_table, reading_lines, under_table
    from layergeom.show.training_answer import training_lines

    show_what_can_be_written()
    console = Console()
    if dynamics is not None:
        last = visible(dynamics.checkpoints[-1])
        say([*training_lines(dynamics), "", f"The last checkpoint, {last}:"])
    console.print(profile_table(profile, profile.reading, console.width))
    say(under_table(profile, profile.reading, console.width))
    added = added_table(profile)
    if added is not None:
        console.print("", added, sep="\n")
    lines = reading_lines(profile.reading)
    typer.echo("")
    say([*lines, *warned(profile.warnings)])


def warned(warnings: Iterable[str]) -> list[str]:
    """Return warnings as lines to print, those that say the same in one."""
    from layergeom.show.warning_groups import warning_groups

    return [f"Warning: {group.line}" for group in warning_groups(warnings)]


def say(lines: Iterable[str]) -> None:
    """Print each line, folded between words where it is read on a terminal; unfolded in a pipe."""
    show_what_can_be_written()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        typer.echo(line if width is None else _folded(line, width))


def _folded(line: str, width: int) -> str:
    return textwrap.fill(
        line, max(20, width - 1), subsequent_indent="  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def show_what_can_be_written() -> None:
    """Write "-" for a minus and "?" for other letters that the terminal's encoding lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("layergeom-plain", _plain_letters)
        sys.stdout.reconfigure(errors="layergeom-plain")


def _plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for letters that cannot be written: a number never loses its sign."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join("-" if letter == MINUS else "?" for letter in lacking), error.end


def leave_views(profiles: dict[View, ProfileResult], out: Path, as_json: bool) -> None:
    """Write what a run of several views leaves, each in its folder, and print them."""
    from layergeom.show.run_folder import write_run

    facts = {}
    for view, found in profiles.items():
        place, profile = out / view.name, as_typed(found)
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
    course, names = dynamics.course, dynamics.checkpoints
    since = {"still_from": course.still_from, "layer_from": course.layer_from}
    return {
        "checkpoints": list(dynamics.checkpoints),
        "steps": dynamics.steps.tolist(),
        "profiles": [json.loads(profile.to_json()) for profile in dynamics.profiles],
        "overlap_to_final": dynamics.overlap_to_final.tolist(),
        "mean_dimension": dynamics.mean_dimension.values.tolist(),
        "mean_dimension_error": dynamics.mean_dimension.errors.tolist(),
        "turning_point": dynamics.turning_point,
        "course": {
            "moves": course.moves,
            "layers": course.layers,
            **{what: None if at is None else names[at] for what, at in since.items()},
        },
    }


def print_json(content: dict[str, Any]) -> None:
    """Print JSON that every parser reads: its schema first; what is not a number is null."""
    told = _without_nan({"schema": JSON_SCHEMA} | content)
    plain = "utf" not in (sys.stdout.encoding or "").lower()  # then every letter is escaped
    typer.echo(json.dumps(told, ensure_ascii=plain, allow_nan=False, indent=1))


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
def progress_bar(shown: bool = True) -> Iterator[Callable[[int, int, str], None]]:
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
        *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
    ) as bar:
        tasks: dict[str, Any] = {}
        counts: dict[str, int] = {}

        def report(done: int, total: int, what: str) -> None:
            stage = what.split()[0]
            if stage not in tasks:
                tasks[stage] = bar.add_task(what, total=total)
            elif done < counts[stage]:  # it begins anew, as for the next layer
                bar.reset(tasks[stage])
            counts[stage] = done
            bar.update(tasks[stage], completed=done, total=total, description=what)

        yield report
