"""Options that several commands share, and what they become as arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.errors import InputError

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
    typer.Option(help="auto (the model's own, else mean), mean, last, first, max or token."),
]
HookPoint = Annotated[
    str,
    typer.Option(help="residual; first_norm of each block; or final_norm applied to every layer."),
]
Part = Annotated[
    str | None, typer.Option(help="encoder, decoder, text or vision, of a model that has several.")
]
GroupsFrom = Annotated[
    str | None,
    typer.Option(help="Rows that are no independent samples (column or file), as for --labels."),
]
Split = Annotated[
    str | None, typer.Option(help="Only these rows: a value of the column split, or COLUMN:VALUE.")
]
MaxLength = Annotated[int | None, typer.Option(help="Tokens per row. Default: the model's limit.")]
Long = Annotated[str, typer.Option(help="truncate, skip, error or window: rows beyond the limit.")]
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


def row_limit(text: str | None) -> Any:
    """Return what ``--max-samples`` asks for: a number, "all" or None."""
    if text is None or text == "all":
        return text
    if not text.isdecimal():
        raise InputError(f"--max-samples is {text!r}; give a whole number or 'all'.")
    return int(text)


def forward(
    pool: str,
    max_length: int | None,
    long: str,
    special_tokens: bool,
    batch_size: int | None,
    device: str,
    dtype: str | None,
) -> dict[str, Any]:
    """Gather the options of the forward pass as keyword arguments."""
    return {
        "pool": pool,
        "max_length": max_length,
        "long": long,
        "special_tokens": special_tokens,
        "batch_size": batch_size,
        "device": device,
        "dtype": dtype,
    }
