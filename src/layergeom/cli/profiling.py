"""Commands that measure one model, or show a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import (
    AsJson,
    Estimation,
    ForwardPass,
    Nulls,
    Out,
    ProtocolName,
    Quantities,
    Reading,
    Revision,
    View,
    names,
)
from layergeom.cli.printing import leave, leave_views, print_json, progress_bar, say
from layergeom.cli.retrieval import print_layer_within
from layergeom.cli.sharding import Shares
from layergeom.cli.workforce import Workforce
from layergeom.errors import InputError
from layergeom.profiles import CHECKPOINTS


@command
def demo(out: Out = Path("layergeom-demo"), as_json: AsJson = False) -> None:
    """Profile the embedded model: an image GPT over scikit-learn's digits, and its training."""
    from layergeom.profile_result import ProfileResult
    from layergeom.tasks.demo import demonstrate

    with progress_bar() as progress:
        profile, training = demonstrate(out, progress)
    leave(ProfileResult.of(profile), out, as_json, training, "layergeom demo")


@command
def run(
    reading: Reading,
    view: View,
    forward: ForwardPass,
    estimation: Estimation,
    workforce: Workforce,
    shares: Shares,
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
    protocol: ProtocolName = None,
    layers: Annotated[
        str | None, typer.Option(help="Only these (block_3,block_5); later blocks are not run.")
    ] = None,
    revision: Revision = None,
    null: Nulls = None,
    quantities: Quantities = None,
    approximate_neighbors: Annotated[
        bool,
        typer.Option(
            "--approximate-neighbors",
            help="Some neighbours may be missing; every layer tells its measured recall.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Profile MODEL on DATA, or stored states; the same command computes only what is missing."""
    from layergeom import api

    chosen = names(layers) if layers else None
    asked = {"protocol": protocol, "layers": chosen, "revision": revision}
    options: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    options |= {"nulls": names(null)} if null else {}
    options |= {"quantities": names(quantities)} if quantities else {}
    options |= {"neighbors": "approximate"} if approximate_neighbors else {}
    options |= reading.given() | forward.given() | estimation.given() | {"folder": out}
    if states is None:
        options |= {"model": _needed(model, "MODEL"), "data": _needed(data, "DATA")}
    elif model is None:
        options |= {"model": states}
    else:
        raise InputError("give MODEL and DATA, or --states DIR, but not both.")
    several = view.several() if states is None else {}
    one_view = not several and states is None
    if shares.end_here(one_view, workforce, options | view.given(), as_json):
        return
    if several and workforce.given():
        raise InputError("workers read one view of MODEL on DATA; give one pool and hook point.")
    with progress_bar() as progress, workforce.hired() as workers:
        if several:
            views = api.profile_views(progress=progress, **several, **options)
        else:
            options |= {"executor": workers, "progress": progress}
            result = api.profile(**view.given(), **options)
    if several:
        leave_views(views, out, as_json)
    else:
        leave(result, out, as_json)


@command
def report(
    run_folder: Annotated[Path, typer.Argument(help="Folder with a profile.json, or the file.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write to. Default: the run's.")
    ] = None,
    points: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="Also write points_LAYER.csv: local dimension, distances, outliers, row by row.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write report, tables and figures again from a saved profile, without the states."""
    from layergeom import api

    place = run_folder if run_folder.is_dir() else run_folder.parent
    if out is None:
        _keep_report_of_training(place)
    place = place if out is None else out
    further = () if points is None else (_point_file(run_folder, points, place),)
    leave(api.load(run_folder), place, as_json, further=further)


def _keep_report_of_training(place: Path) -> None:
    """Refuse to write the report of one checkpoint over that of all of them."""
    from layergeom.callbacks.record import LINES

    watched = (place / LINES).is_file()  # by a callback, which leaves no report
    if (place / CHECKPOINTS).is_dir() and (place / "report.html").is_file() and not watched:
        raise InputError(
            f"{place} is a training run, whose report shows every checkpoint: run the same "
            "`layergeom dynamics` or `demo` again, which computes nothing, or give -o for a report "
            "of the last checkpoint alone."
        )


def _point_file(run_folder: Path, layer: str, place: Path) -> Path:
    from layergeom.show.table import write_points
    from layergeom.tasks.points import point_table

    return write_points(place, layer, point_table(run_folder, layer))


@command
def recommend(
    run_folder: Annotated[Path, typer.Argument(help="Folder with a profile.json, or the file.")],
    max_loss: Annotated[
        float | None,
        typer.Option(
            help="Of a folder with a retrieval.json: the shallowest layer that loses at most this, "
            "in points of the score."
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The score that --max-loss is of. Default: ndcg@10.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which layer to use, and how far to trust the choice."""
    if max_loss is not None:
        print_layer_within(run_folder, max_loss, metric, as_json)
        return
    if metric is not None:
        raise InputError("--metric is of --max-loss; give both.")
    from dataclasses import asdict

    from layergeom import api
    from layergeom.show.table import reading_lines

    reading = api.load(run_folder).reading
    if as_json:
        print_json({"recommendation": asdict(reading.recommendation)})
    else:
        say(reading_lines(reading))


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise InputError(
            f"{name} is missing: give layergeom run MODEL DATA, or layergeom run --states DIR "
            "(layergeom demo needs neither)."
        )
    return value
