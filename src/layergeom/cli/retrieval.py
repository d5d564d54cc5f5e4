"""Retrieval by every layer, and the layer that a limit allows: parts of evaluate and recommend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import Bundle
from layergeom.cli.options import names
from layergeom.cli.printing import (
    print_json,
    progress_bar,
    say,
    show_what_can_be_written,
    warned,
)
from layergeom.errors import InputError


@dataclass(frozen=True)
class RetrievalSet(Bundle):
    """Where documents, queries and judgments are, and what is done with them."""

    corpus: Annotated[
        str | None, typer.Option(help="Documents (_id, title, text); or DATA, a folder as BEIR's.")
    ] = None
    queries: Annotated[str | None, typer.Option(help="Queries (_id, text).")] = None
    qrels: Annotated[
        str | None,
        typer.Option(
            help="query-id, corpus-id, score. Without any, the full model's ranking is the truth."
        ),
    ] = None
    query_prompt: Annotated[
        str | None, typer.Option(help="Before every query. Default: the model's own; '' for none.")
    ] = None
    document_prompt: Annotated[
        str | None, typer.Option(help="Before every document. Default: the model's own.")
    ] = None
    identical_ids: Annotated[
        str | None,
        typer.Option(
            help="Documents of the query's own id: exclude, keep, or auto (default: exclude where "
            "both are one text)."
        ),
    ] = None
    truth: Annotated[
        int | None, typer.Option(help="Without qrels: relevant documents per query. Default: 10.")
    ] = None
    draws: Annotated[
        int | None, typer.Option(help="Draws of the bootstrap over queries. Default: 2,000.")
    ] = None
    confidence: Annotated[
        float | None, typer.Option(help="Of retrieval's intervals and bounds. Default: 0.95.")
    ] = None
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for retrieval.json and the states."),
    ] = None

    def asked(self, data: str | None) -> bool:
        """Whether retrieval is meant rather than labels."""
        from layergeom.states.retrieval_texts import is_retrieval_folder

        return bool(self.given()) or is_retrieval_folder(data)


def leave_retrieval(
    model: str,
    data: str | None,
    retrieval: RetrievalSet,
    split: str | None,
    metrics: str | None,
    of_labels: Mapping[str, Any],
    as_json: bool,
    **options: Any,
) -> None:
    """Score every layer's retrieval, write it where it is asked for, and print it."""
    from layergeom.tasks.retrieval import evaluate_retrieval

    if late := [name for name, value in of_labels.items() if value is not None]:
        raise InputError(
            f"--{late[0].replace('_', '-')} is of evaluation by labels, not of retrieval; leave "
            "one of them out."
        )
    given = retrieval.given()
    out = given.pop("output", None)
    given |= _places(data, given) | {"split": split}
    if metrics is not None:
        given["metrics"] = names(metrics)
    if "max_samples" in options:
        most = options.pop("max_samples")
        given["max_queries"] = None if most == "all" else most
    with progress_bar() as progress:
        found = evaluate_retrieval(model, folder=out, progress=progress, **given, **options)
    path = None if out is None else found.save(out)
    if as_json:
        print_json(found.facts() | {"files": [] if path is None else [str(path)]})
        return
    from rich.console import Console

    from layergeom.show.retrieval_table import retrieval_lines, retrieval_tables

    show_what_can_be_written()
    for table in retrieval_tables(found):
        Console().print(table, "", sep="\n")
    lines = [*retrieval_lines(found), *warned(found.warnings)]
    lines += [] if path is None else [f"Written: {path}"]
    say(lines)


def _places(data: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the corpus of DATA, if that is where it is."""
    apart = [name for name in ("corpus", "queries") if name in given]
    if data is None and len(apart) == 2:
        return {}
    if data is not None and not apart:
        return {"corpus": data}
    raise InputError(
        "give DATA, a folder with corpus.jsonl and queries.jsonl, or --corpus FILE and --queries "
        "FILE."
    )


def print_layer_within(folder: Path, max_loss: float, metric: str | None, as_json: bool) -> None:
    """Print the shallowest layer whose loss stays within a limit."""
    from layergeom.profiles import plain
    from layergeom.tasks.retrieval_limit import METRIC, layer_within_limit
    from layergeom.tasks.retrieval_result import load_retrieval

    found = layer_within_limit(load_retrieval(folder), max_loss, metric or METRIC)
    if as_json:
        print_json({name: plain(value) for name, value in asdict(found).items()})
    else:
        say(found.lines())
