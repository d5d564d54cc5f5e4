"""The command line: a command parses, makes one library call, and prints.

Tables and results go to stdout, progress and errors to stderr. Exit codes: 0 fine, 2 bad input
(the message names the remedy), 3 degenerate data or damaged files, 128 + its number for a signal.
"""

from __future__ import annotations

import os
import sys

import typer

from layergeom.cli import (  # noqa: F401  (their commands)
    act,
    checking,
    comparing,
    fetching,
    partitions,
    profiling,
    protocols,
    sharding,
    tokens,
    training,
)
from layergeom.cli.app import app
from layergeom.cli.printing import show_what_can_be_written
from layergeom.cli.stopping import Stopped, stoppable
from layergeom.errors import LayergeomError
from layergeom.show.cells import visible

__all__ = ["app", "main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line; errors become one line on stderr and an exit code."""
    # Threads of the matrix libraries sleep between products instead of spinning: a third less CPU,
    # and no standstill where other programs want the cores too.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    show_what_can_be_written()
    try:
        with stoppable():
            app()
    except Stopped as stop:
        typer.echo(_goes_on(f"stopped by {stop.signal.name}"), err=True)
        sys.exit(stop.exit_code)
    except LayergeomError as error:
        typer.echo(f"layergeom: {visible(error)}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as leave:
        if leave.code == INTERRUPTED:  # what typer makes of Ctrl-C
            typer.echo(_goes_on("interrupted"), err=True)
        raise


def _goes_on(why: str) -> str:
    return f"layergeom: {why}; the same command keeps what is finished and goes on from there."
