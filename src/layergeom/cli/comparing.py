"""The command that compares several finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layergeom.cli.bundles import command
from layergeom.cli.options import AsJson, Out, Seed
from layergeom.cli.printing import (
    command_line,
    print_json,
    progress_bar,
    say,
    show_what_can_be_written,
    warned,
)
from layergeom.errors import InputError


@command
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of at least two models.")],
    out: Out = Path("layergeom-compare"),
    names: Annotated[
        str | None, typer.Option(help="Names of the runs, separated by commas.")
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Sizes of the models, separated by commas (35e6,650e6).")
    ] = None,
    k: Annotated[int, typer.Option("--k", help="Neighbours compared by the overlaps.")] = 30,
    allow: Annotated[
        str | None,
        typer.Option(
            help="Differences to compare all the same, separated by commas: "
            "data, pooling, hook_point, estimators, k, ranks."
        ),
    ] = None,
    published: Annotated[
        list[Path] | None, typer.Option(help="JSON file of published curves, drawn behind.")
    ] = None,
    cka_rows: Annotated[int, typer.Option(help="Rows of the CKA at most; at least 5.")] = 4096,
    permutations: Annotated[
        int, typer.Option(help="Draws of the permutation level, at least 20; 0 leaves it out.")
    ] = 100,
    cosine: Annotated[
        bool, typer.Option("--cosine", help="Compare neighbours by the cosine, too.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs of several models on the same rows: profiles, overlap, CKA, size."""
    from layergeom.show.comparison import write_comparison
    from layergeom.show.published import read_published
    from layergeom.tasks.compare import compare as run

    curves = [curve for path in published or () for curve in read_published(path)]
    with progress_bar() as progress:
        found = run(
            runs if names is None else dict(zip(_listed(names, runs, "names"), runs, strict=True)),
            k=k,
            sizes=None if sizes is None else _numbers(_listed(sizes, runs, "sizes")),
            allow=allow.split(",") if allow else (),
            cka_rows=cka_rows,
            permutations=permutations,
            cosine=cosine,
            seed=seed,
            progress=progress,
        )
    paths = write_comparison(out, found, curves, command_line())
    if as_json:
        from layergeom.show.comparison_tables import comparison_facts

        print_json({"comparison": comparison_facts(found), "files": [str(path) for path in paths]})
        return
    from rich.console import Console

    from layergeom.show.comparison_tables import comparison_lines, terminal_table

    show_what_can_be_written()
    Console().print(terminal_table(found))
    typer.echo("")
    say([*comparison_lines(found), *warned(found.warnings)])
    typer.echo("\nWritten:\n" + "\n".join(f"  {p}" for p in paths))


def _listed(text: str, runs: list[Path], what: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(runs) or (what == "names" and len(set(parts)) < len(parts)):
        raise InputError(f"--{what} is {text!r}; give one for each of the {len(runs)} runs.")
    return parts


def _numbers(texts: list[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise InputError(f"--sizes is {','.join(texts)!r}; give numbers (35e6,650e6).") from None
