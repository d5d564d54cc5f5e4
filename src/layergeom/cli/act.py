"""Commands that act on the choice of a layer: embed, truncate, evaluate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import (
    AsJson,
    Device,
    ExcludeFrom,
    ForwardPass,
    GroupsFrom,
    LabelKind,
    LabelsFrom,
    Part,
    Pool,
    Revision,
    Rows,
    Seed,
    TextColumn,
    View,
    names,
)
from layergeom.cli.printing import (
    print_json,
    progress_bar,
    show_what_can_be_written,
    warned,
)
from layergeom.cli.retrieval import RetrievalSet, leave_retrieval
from layergeom.written import counted

Layer = Annotated[
    str,
    typer.Option(help="block_5, 5, embedding or final; 'recommended' with --run."),
]
Run = Annotated[
    Path | None, typer.Option("--run", help="Folder of the run whose recommendation is meant.")
]
Data = Annotated[str, typer.Argument(help="As for run.")]
Model = Annotated[str, typer.Argument(help="Hub id or local folder.")]


@dataclass(frozen=True)
class AllRows(Rows):
    """Which column is read; every row unless fewer are asked for."""

    max_samples: Annotated[str | None, typer.Option(help="Rows at most. Default: all.")] = None


@command
def embed(
    model: Model,
    data: Data,
    layer: Layer,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File: .npz, .h5, .parquet or .safetensors.")
    ],
    rows: AllRows,
    view: View,
    forward: ForwardPass,
    run: Run = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Where the suffix does not say: npz, h5, …")
    ] = None,
    seed: Seed = 0,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Write one layer of MODEL as embeddings of DATA; later blocks are not run."""
    from layergeom.tasks.embed import embed as run_embed

    with progress_bar() as progress:
        found = run_embed(
            model,
            data,
            layer=numbered(layer),
            run=run,
            output=output,
            format=file_format,
            seed=seed,
            progress=progress,
            revision=revision,
            **rows.given(),
            **view.given(),
            **forward.given(),
        )
    n, width = found.array.shape
    if as_json:
        facts = {"layer": found.layer, "rows": n, "features": width, "file": str(output)}
        print_json({**facts, "provenance": found.provenance, "warnings": found.warnings})
        return
    size = f"{counted(n, 'row', 'rows')}, {counted(width, 'feature', 'features')}"
    lines = [f"{size}, {found.layer}: {found.provenance['pooling']}"]
    typer.echo("\n".join([*lines, *warned(found.warnings), f"Written: {output}"]))


@command
def truncate(
    model: Model,
    layer: Layer,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the shorter model.")],
    run: Run = None,
    data: Annotated[
        str | None, typer.Option(help="Rows on which both models are compared. Default: random.")
    ] = None,
    text_column: TextColumn = None,
    pool: Pool = None,
    seed: Seed = 0,
    device: Device = None,
    dtype: Annotated[
        str, typer.Option(help="Of the weights. auto: the checkpoint's own.")
    ] = "auto",
    revision: Revision = None,
    part: Part = None,
    as_json: AsJson = False,
) -> None:
    """Write MODEL without the blocks behind a layer, and make sure it gives that layer's states."""
    from layergeom.tasks.truncate import truncate as run_truncate

    asked = {"pool": pool, "part": part, "device": device}
    options: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    found = run_truncate(
        model,
        output,
        layer=numbered(layer),
        run=run,
        data=data,
        text_column=text_column,
        seed=seed,
        revision=revision,
        dtype=dtype,
        **options,
    )
    if as_json:
        print_json({**asdict(found), "advice": found.advice})
        return
    typer.echo("\n".join([*found.lines(), *warned(found.warnings), f"Written: {output}"]))


@command
def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of a run, stored states, or a model.")],
    rows: Rows,
    view: View,
    forward: ForwardPass,
    retrieval: RetrievalSet,
    data: Annotated[
        str | None,
        typer.Argument(help="With a model: as for run; for retrieval a folder as BEIR's."),
    ] = None,
    labels: LabelsFrom = None,
    label_type: LabelKind = None,
    groups: GroupsFrom = None,
    exclude: ExcludeFrom = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Column or file of 'train' and 'test', in place of folds; of qrels: test, dev, …"
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Separated by commas. Default: knn,linear_probe,retrieval; for retrieval "
            "ndcg@10,mrr@10,recall@10,recall@100 (also precision, any cut)."
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", help="Neighbours that vote.")] = 10,
    folds: Annotated[int, typer.Option(help="Folds of the linear probe.")] = 5,
    layer: Annotated[
        str | None, typer.Option(help="The choice to judge. Default: the recommended layer.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Score every layer by labels (kNN, linear probe, 1-NN), or by retrieval of documents."""
    from layergeom.tasks.evaluate import METRICS
    from layergeom.tasks.evaluate import evaluate as run_evaluate

    options = rows.given() | view.given() | forward.given()
    if retrieval.asked(data):
        of_labels = {"labels": labels, "groups": groups, "exclude": exclude, "layer": layer}
        of_labels["label_type"] = label_type
        leave_retrieval(
            model, data, retrieval, split, metrics, of_labels, as_json, seed=seed, **options
        )
        return
    chosen: Any = METRICS if metrics is None else names(metrics)
    with progress_bar() as progress:
        found = run_evaluate(
            model,
            data,
            labels=labels,
            label_type=label_type,
            groups=groups,
            exclude=exclude,
            split=split,
            metrics=chosen,
            k=k,
            folds=folds,
            seed=seed,
            layer=layer,
            progress=progress,
            **options,
        )
    if labels is None:
        source = found.provenance["sources"]["labels"]
        typer.echo(f"layergeom: --labels {source['name']} was taken, {source['origin']}.", err=True)
    if as_json:
        print_json(found.facts())
        return
    from rich.console import Console

    from layergeom.show.evaluation_table import evaluation_lines, evaluation_table

    show_what_can_be_written()
    Console().print(evaluation_table(found))
    typer.echo("\n" + "\n".join([*evaluation_lines(found), *warned(found.warnings)]))


def numbered(layer: str) -> str | int:
    """Return the number of a layer that was given as digits."""
    return int(layer) if layer.isdecimal() else layer
