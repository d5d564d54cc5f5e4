"""Commands before a run: what it will take, and what it needs where there is no network."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import (
    AsJson,
    Checkpoints,
    Device,
    Dtype,
    K,
    Kept,
    MaxLength,
    Revisions,
    Rows,
)
from layergeom.cli.printing import print_json, progress_bar
from layergeom.cli.training import revision_names, told_on_stderr
from layergeom.written import percent

if TYPE_CHECKING:
    from layergeom.tasks.cluster_plan import ClusterPlan
    from layergeom.tasks.fetch import Fetched
    from layergeom.tasks.plan import Plan
    from layergeom.tasks.timing import Timing


@command
def plan(
    model: Annotated[
        str,
        typer.Argument(help="Hub id, model, folder of checkpoints; or ROWSxLAYERSxFEATURES."),
    ],
    checkpoints: Checkpoints,
    kept: Kept,
    rows: Rows,
    data: Annotated[str | None, typer.Argument(help="As for run. Default: 20,000 rows.")] = None,
    revisions: Revisions = None,
    max_length: MaxLength = None,
    k: K = None,
    dtype: Dtype = None,
    device: Device = None,
    workers: Annotated[
        int,
        typer.Option("--workers", "--cluster", min=1, help="Machines like this one, to share it."),
    ] = 1,
    timed: Annotated[
        bool, typer.Option("--time/--no-time", help="Feed a few batches, to say how long.")
    ] = True,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run, for its free disk.")
    ] = Path(),
    as_json: AsJson = False,
) -> None:
    """Say what a run will take before it begins: bytes, disk, memory, time."""
    from layergeom.layer import Settings
    from layergeom.tasks.cluster_plan import SHAPE, shape_plan
    from layergeom.tasks.plan import plan as planned

    options: dict[str, Any] = {"max_length": max_length, "dtype": dtype}
    options |= {"device": device or "auto", "timed": timed, "workers": workers, "folder": output}
    options |= {} if k is None else {"k": k}
    if data is None and re.fullmatch(SHAPE, model):
        many = checkpoints.max_checkpoints or 1
        shape = shape_plan(model, workers, many, k or Settings.k, output)
        print_json(_cluster_json(shape)) if as_json else typer.echo(_lines(_stages(shape)))
        return
    for bundle in (checkpoints, kept, rows):
        options |= bundle.given()
    with told_on_stderr():
        found = planned(model, data, revisions=revision_names(revisions), **options)
    if as_json:
        cluster = None if found.cluster is None else _cluster_json(found.cluster)
        print_json(asdict(found) | {"cluster": cluster})
    else:
        typer.echo(_lines(_plan_lines(found, workers)))


@command
def fetch(
    model: Annotated[str, typer.Argument(help="Hub id.")],
    checkpoints: Checkpoints,
    revisions: Revisions = None,
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder. Default: the hub's cache.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download what a run needs of a hub model, for a machine without a network."""
    from layergeom.tasks.fetch import fetch as fetched

    asked = checkpoints.given()
    with told_on_stderr(), progress_bar() as progress:
        found = fetched(model, revision_names(revisions), folder, progress=progress, **asked)
    if as_json:
        print_json(asdict(found) | {"folders": [str(place) for place in found.folders]})
    else:
        typer.echo("\n".join(_fetched_lines(found)))


def _plan_lines(plan: Plan, workers: int) -> dict[str, str]:
    weights = f"weights {size(plan.memory_weights)}, a batch {size(plan.memory_batch)}"
    lines = {
        "model": f"{plan.parameters:,} parameters, {plan.layers} layers of {plan.width}",
        "rows": f"{plan.rows:,}",
        "precision": f"dimension ± {percent(plan.dimension_error, 1)} a layer; a dip below about "
        f"{percent(plan.smallest_difference)} would not be found",
        "states": f"{size(plan.states)} on disk, neighbour lists {size(plan.lists)}",
        "disk": f"{size(plan.disk)} at the end (keep: {plan.keep}), {size(plan.peak_disk)} at most",
        "memory": f"{size(plan.memory)} ({weights}; geometry {size(plan.memory_search)})",
    }
    if plan.timing is not None:
        lines["time"] = _time(plan.timing, len(plan.checkpoints), workers)
    if plan.shortfalls:
        lines["too much"] = "; ".join(plan.shortfalls)
    if plan.checkpoints:
        lines["checkpoints"] = f"{len(plan.checkpoints)}, {_span(plan.checkpoints)}"
    if plan.cluster is not None:
        lines |= _stages(plan.cluster)
    each = f", at most {size(max(plan.download))} for a checkpoint" if plan.checkpoints else ""
    lines["download"] = f"{size(sum(plan.download))}{each}"
    return lines


def _stages(plan: ClusterPlan) -> dict[str, str]:
    """Say what each stage of a run by several machines takes."""
    many = f"{plan.checkpoints} checkpoints of " if plan.checkpoints > 1 else ""
    lines = {"shape": f"{many}{plan.rows:,} rows, {plan.layers} layers of {plan.width}"}
    for stage in plan.stages:
        took = "time not known (no model)" if math.isnan(stage.seconds) else duration(stage.seconds)
        memory = f", {size(stage.memory)} of memory for each worker" if stage.memory else ""
        lines[stage.name] = f"{took}{memory}, {size(stage.traffic)} through the shared disk"
    lines["shared disk"] = f"{size(plan.disk)} at most"
    lines["in all"] = f"{duration(plan.seconds)} by {plan.workers} workers like this machine"
    return lines


def _lines(told: dict[str, str]) -> str:
    return "\n".join(f"{name:<12}{text}" for name, text in told.items())


def _cluster_json(plan: ClusterPlan) -> dict[str, Any]:
    return asdict(plan) | {"seconds": plan.seconds}


def _time(timing: Timing, checkpoints: int, workers: int) -> str:
    each = " for a checkpoint" if checkpoints else ""
    by = f" by {workers} workers" if workers > 1 else ""
    parts = {
        f"forward pass on {timing.device}": timing.forward / workers,
        "neighbours": timing.search / workers,
        "the rest": timing.load + timing.geometry / workers + timing.comparison,
    }
    told = ", ".join(f"{part} {duration(seconds)}" for part, seconds in parts.items())
    measured = f"measured on {timing.batches} of {timing.of} batches"
    return f"{duration(timing.total(workers))}{each}{by} ({told}; {measured})"


def duration(seconds: float) -> str:
    """Write a time with a unit that it fills.

    Examples
    --------
    >>> duration(42.4), duration(400), duration(7000), duration(100_000)
    ('42 s', '6.7 min', '117 min', '28 h')
    """
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{0 if seconds >= 10 * size else 1}f} {unit}"
    return f"{seconds:.0f} s"


def _span(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{names[0]}, {names[1]} … {names[-1]}"


def _fetched_lines(found: Fetched) -> list[str]:
    lines = [f"Warning: {warning}" for warning in found.warnings]
    lines += ["Fetched:", *(f"  {place}" for place in found.folders)]
    return [*lines, f"{size(found.bytes)} in all. Without a network:", f"  {found.command}"]


def size(count: int) -> str:
    """Write a number of bytes with a unit of a thousand.

    Examples
    --------
    >>> size(999), size(1_500_000), size(26_000_000_000)
    ('999 B', '1.5 MB', '26 GB')
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"
