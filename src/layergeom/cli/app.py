"""The application that every command belongs to, and what belongs to no command."""

from __future__ import annotations

from typing import Annotated

import typer

from layergeom.version import VERSION

app = typer.Typer(
    name="layergeom",
    help="The geometry of every layer of a transformer, and the layer to use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Keep the options that belong to no command."""
    if version:
        typer.echo(VERSION)
        raise typer.Exit


options.__doc__ = "The geometry of every layer of a transformer, and the layer to use."
