"""Runs that many processes share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from layergeom.cli.bundles import Bundle, command
from layergeom.cli.options import AsJson
from layergeom.cli.printing import print_json, progress_bar
from layergeom.cli.ranks import Rank, rank_of
from layergeom.cli.workforce import Workforce
from layergeom.errors import InputError


@command
def merge(
    run_folder: Annotated[Path, typer.Argument(help="Folder of the run (-o of its shards).")],
    as_json: AsJson = False,
) -> None:
    """Put the shards of a run together; the same run without --shard then goes on with them."""
    from layergeom.tasks.shards import merge_shards

    rows = merge_shards(run_folder)
    if as_json:
        print_json({"rows": rows})
    else:
        typer.echo(f"{rows:,} rows are together in {run_folder}; run again without --shard.")


@dataclass(frozen=True)
class Shares(Bundle):
    """Which share of the rows this process reads."""

    shard: Annotated[
        str | None,
        typer.Option(
            help="i/n: read only this share of the rows, for layergeom merge; each process one. "
            "Under torchrun, or srun with several tasks, each process takes its own."
        ),
    ] = None
    patience: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Minutes for which the first process of torchrun or srun waits without a sign of "
            "the others. Default: 30.",
        ),
    ] = None

    def end_here(
        self, one_view: bool, workforce: Workforce, options: dict[str, Any], as_json: bool
    ) -> bool:
        """Read the share of this process, if it has one; return whether its work is then done.

        Parameters
        ----------
        one_view : bool
            Whether one view of a model is read, which alone can be shared.
        workforce : Workforce
            As given.
        options : dict
            Of :func:`layergeom.profile`.
        as_json : bool
            Whether a shard that was asked for is told as JSON.

        Raises
        ------
        InputError
            If the run cannot be shared so.
        """
        rank = rank_of() if self.shard is None else None
        if self.shard is None and rank is None:
            return False
        by = "--shard" if rank is None else rank.variable
        if not one_view:
            raise InputError(
                f"{by}: shares are of one view of MODEL on DATA; give one pool and hook point, "
                "and no --states."
            )
        if workforce.given():
            raise InputError(
                f"{by} says that this process reads a share, so it has no workers; leave "
                "--workers and --cluster out."
            )
        if rank is None:
            leave_shard(str(self.shard), options, as_json)
            return True
        self._read_among_others(rank, options)
        return rank.number > 0

    def _read_among_others(self, rank: Rank, options: dict[str, Any]) -> None:
        """Read the share of one of several processes; the first waits for the others."""
        from layergeom.tasks.rank_runs import PATIENCE, extract_together

        patience = PATIENCE if self.patience is None else 60 * self.patience
        given = options | {"device": rank.device(options.get("device"), _gpus())}
        with progress_bar(rank.number == 0) as progress:
            held = extract_together(shard=rank.shard, patience=patience, progress=progress, **given)
        if rank.number > 0:
            done = "nothing to read" if held.whole else f"{held.rows:,} rows are read"
            typer.echo(
                f"layergeom: shard {rank.shard}: {done}; the first process goes on.", err=True
            )


def leave_shard(shard: str, options: dict[str, Any], as_json: bool) -> None:
    """Read a share of the rows, and say what is left to do."""
    from layergeom.tasks.shards import extract_share

    out = options["folder"]
    with progress_bar() as progress:
        done = extract_share(shard=shard, progress=progress, **options)
    if as_json:
        print_json(asdict(done))
        return
    left = f"still missing: {', '.join(done.missing)}" if done.missing else f"layergeom merge {out}"
    typer.echo(f"shard {done.shard}: {done.rows:,} rows in {out}; {left}")


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
