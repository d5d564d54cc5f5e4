"""Who carries a run out: this process, several of this machine, or a cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from layergeom.cli.bundles import Bundle
from layergeom.workers import Workers, cluster

THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Workforce(Bundle):
    """How many processes, or which cluster."""

    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes of this machine, which share its processors; of a cluster how many "
            "workers are expected (by default those that are there with the first).",
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(help="Address or scheduler file of a dask cluster that sees the folders."),
    ] = None

    @contextmanager
    def hired(self) -> Iterator[Workers | None]:
        """Hold the workers for the block; None where this process does everything.

        Raises
        ------
        InputError
            If no cluster answers.
        """
        if self.cluster is not None:
            with cluster(self.cluster, self.workers) as found:
                if found.idle:
                    typer.echo(
                        f"layergeom: {found.idle} of a worker's {found.idle + 1} threads stay "
                        "idle; start workers with --nthreads 1, and OMP_NUM_THREADS for each.",
                        err=True,
                    )
                yield found
        elif self.workers is not None:
            with _processes(self.workers) as executor:
                yield Workers(executor, self.workers)
        else:
            yield None


@contextmanager
def _processes(number: int) -> Iterator[ProcessPoolExecutor]:
    """Hold processes that share the processors of this machine evenly."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(max(1, _processors() // number))
    try:
        # forked processes would inherit locks of threads that they do not have
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(number, mp_context=context) as executor:
            yield executor
    finally:
        os.environ.pop(THREADS) if before is None else None


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
