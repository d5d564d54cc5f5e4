"""Options that several commands share, alone or in bundles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from layergeom.cli.bundles import Bundle
from layergeom.errors import InputError

Out = Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        help="Column of DATA (NAME or :NAME), of a run the name of its own; or a file of labels, "
        "or of ids or texts and labels (FILE, FILE:COLUMN). Also a level of SCOPe's and CATH's "
        "codes: superfamily."
    ),
]
LabelKind = Annotated[
    Literal["class", "number", "multi"] | None,
    typer.Option(
        "--label-type",
        help="What labels are: classes, real numbers, or several per row. Default: inferred, and "
        "said.",
    ),
]
ExcludeFrom = Annotated[
    str | None,
    typer.Option(help="Finer groups (column or file) whose members are no neighbours."),
]
GroupsFrom = Annotated[
    str | None,
    typer.Option(help="Rows that are no independent samples (column or file), as for --labels."),
]
TextColumn = Annotated[
    str | None,
    typer.Option(help="Column of the texts; 'title,text' joins two; digits if there is no header."),
]
K = Annotated[
    int | None, typer.Option("--k", help="Neighbours compared by the overlaps. Default: 30.")
]
Seed = Annotated[int, typer.Option(help="Seed of all sampling.")]
Pool = Annotated[
    str | None,
    typer.Option(
        help="auto (default: the model's own, else mean), mean, last, first, max or token; "
        "of run several (mean,last): one forward pass, a folder each."
    ),
]
Part = Annotated[
    str | None, typer.Option(help="encoder, decoder, text or vision, of a model that has several.")
]
MaxLength = Annotated[int | None, typer.Option(help="Tokens per row. Default: the model's limit.")]
SpecialTokens = Annotated[
    bool | None,
    typer.Option(help="Whether special tokens enter the pooling. Default: they do not."),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where model and neighbour search run: auto, cpu, cuda, cuda:1 or mps. Default: auto."
    ),
]
Dtype = Annotated[str | None, typer.Option(help="float32 (default), bfloat16 or float16.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")]
ProtocolName = Annotated[
    str | None,
    typer.Option(help="Recipe of a paper (see layergeom protocols); what is given departs."),
]
Nulls = Annotated[
    str | None,
    typer.Option(
        "--null",
        help="Levels where there is nothing to find, drawn beside the curves; by commas: permuted, "
        "gaussian; with MODEL and DATA also shuffled, untrained, length.",
    ),
]
Quantities = Annotated[
    str | None,
    typer.Option(
        help="Further quantities, by commas: dimension_levina_bickel, rankme, dataset_entropy, "
        "linearity (from each layer to the next)."
    ),
]
Revisions = Annotated[
    str | None, typer.Option(help="Names or patterns ('step*'), separated by commas.")
]


@dataclass(frozen=True)
class Rows(Bundle):
    """Which column is read, and how many rows."""

    text_column: TextColumn = None
    max_samples: Annotated[
        str | None,
        typer.Option(help="Rows at most, or 'all'. Default: 20,000, sampled if there are more."),
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the options that were given, the number of rows as one."""
        given = super().given()
        if self.max_samples is None:
            return given
        return given | {"max_samples": row_limit(self.max_samples)}


@dataclass(frozen=True)
class Reading(Rows):
    """How data are read, with labels and groups."""

    labels: LabelsFrom = None
    label_type: LabelKind = None
    exclude: ExcludeFrom = None
    groups: GroupsFrom = None
    split: Annotated[
        str | None,
        typer.Option(help="Only these rows: a value of the column split, or COLUMN:VALUE."),
    ] = None


@dataclass(frozen=True)
class ForwardPass(Bundle):
    """How the model is run, but for pooling and hook point."""

    part: Part = None
    blocks: Annotated[
        str | None, typer.Option(help="Paths of the blocks, separated by commas, in their order.")
    ] = None
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder or hub id, in place of the model's own tokenizer.")
    ] = None
    max_length: MaxLength = None
    long: Annotated[
        str | None,
        typer.Option(help="Rows beyond the limit: truncate (default), skip, error or window."),
    ] = None
    stride: Annotated[
        int | None, typer.Option(help="Tokens that two windows share. Default: half a window.")
    ] = None
    special_tokens: SpecialTokens = None
    max_tokens: Annotated[
        int | None, typer.Option(help="Rows of --pool token at most. Default: 20,000.")
    ] = None
    token_rule: Annotated[
        str | None, typer.Option(help="Which tokens are rows: random (default) or first.")
    ] = None
    token_seed: Annotated[int | None, typer.Option(help="Seed of random tokens.")] = None
    batch_size: Annotated[int | None, typer.Option(help="Rows per batch. Default: by tokens.")] = (
        None
    )
    device: Device = None
    device_map: Annotated[
        str | None,
        typer.Option(
            help="Spread a model that one GPU cannot hold over all, the memory and the disk: auto, "
            "or a JSON file of modules and their devices. Needs accelerate."
        ),
    ] = None
    dtype: Dtype = None

    def given(self) -> dict[str, Any]:
        """Return the options that were given, paths of blocks and of a device map read."""
        given = super().given()
        given |= {"blocks": names(self.blocks)} if self.blocks else {}
        return given | ({"device_map": device_map(self.device_map)} if self.device_map else {})


@dataclass(frozen=True)
class View(Bundle):
    """Pooling and hook point."""

    pool: Pool = None
    hook_point: Annotated[
        str | None,
        typer.Option(
            help="residual (default); first_norm of each block; or final_norm put on every layer; "
            "of run several, as of --pool."
        ),
    ] = None

    def several(self) -> dict[str, Any]:
        """Return ``pools`` and ``hook_points`` if one of them names several, else nothing."""
        asked = {f"{name}s": names(text) for name, text in self.given().items()}
        return asked if any(len(found) > 1 for found in asked.values()) else {}


@dataclass(frozen=True)
class Estimation(Bundle):
    """How the numbers are read."""

    k: K = None
    scale: Annotated[
        str | None,
        typer.Option(
            help="Where the dimension is read: nearest (default: TwoNN of all points), gride-16 "
            "(Gride at n1 = 16) or decimated-4 (mean TwoNN of 4 disjoint subsets)."
        ),
    ] = None
    seed: Seed = 0


@dataclass(frozen=True)
class Checkpoints(Bundle):
    """Which checkpoints of a training run."""

    axis: Annotated[
        Literal["step", "tokens"] | None,
        typer.Option(help="Which number of the names orders checkpoints. Default: step."),
    ] = None
    max_checkpoints: Annotated[
        int | None,
        typer.Option(help="Checkpoints at most, spread on the logarithm of the axis."),
    ] = None


@dataclass(frozen=True)
class Kept(Bundle):
    """What a training run leaves."""

    keep: Annotated[
        Literal["auto", "profile", "states", "weights"] | None,
        typer.Option(help="What is left of a measured checkpoint; auto: states of local ones."),
    ] = None


def device_map(text: str) -> str | dict[str, str | int]:
    """Return what ``--device-map`` asks for: a name, or what a JSON file holds."""
    if not text.endswith(".json"):
        return text
    try:
        content = json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"--device-map {text} cannot be read as JSON ({error}).") from None
    if not isinstance(content, dict) or not all(isinstance(d, str | int) for d in content.values()):
        raise InputError(
            f'--device-map {text} holds no map of modules to devices; write {{"": "cpu"}} for all.'
        )
    return content


def row_limit(text: str) -> int | Literal["all"]:
    """Return what ``--max-samples`` asks for."""
    if text == "all":
        return "all"
    if not text.isdecimal():
        raise InputError(f"--max-samples is {text!r}; give a whole number or 'all'.")
    return int(text)


def names(text: str) -> list[str]:
    """Return names that are separated by commas."""
    return [name.strip() for name in text.split(",")]
