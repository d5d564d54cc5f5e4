"""Write docs/reference/cli.md from the command line's own --help.

Without an option the page is rewritten; with ``--check`` nothing is written and the exit code is 1
if the page is out of date.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Plain text of one width on every terminal; typer reads the first when it is imported.
os.environ.update(TYPER_USE_RICH="0", COLUMNS="96", NO_COLOR="1")

import typer
from typer.main import get_command
from typer.testing import CliRunner

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
NAME = "layergeom"
HEADER = """# Command line

This page is what `--help` says, written by `tools/cli_reference.py`.

Tables go to standard output and progress to standard error; `--json` prints the same numbers for
programs. Exit codes: 0 fine · 2 the input cannot be used, and the message names the remedy ·
3 the data are degenerate, so that the quantity is undefined on them, or `check` found damage · 130
interrupted · 143, 138, 129 stopped by SIGTERM, SIGUSR1, SIGHUP (128 and the signal's number).
"""


def page(app: typer.Typer) -> str:
    """Return the reference of a typer application as Markdown."""
    return HEADER + "".join(section(app, path) for path in paths(get_command(app), ()))


def paths(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words that lead to every visible command, parents first."""
    if command.hidden:
        return
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from paths(child, (*path, name))


def section(app: typer.Typer, path: tuple[str, ...]) -> str:
    """Return one command's heading and help text."""
    title = " ".join((NAME, *path))
    return f"\n{'#' * min(len(path) + 2, 6)} `{title}`\n\n```text\n{plain_help(app, path)}\n```\n"


def plain_help(app: typer.Typer, path: tuple[str, ...]) -> str:
    """Return what ``layergeom PATH --help`` prints."""
    result = CliRunner().invoke(app, [*path, "--help"], prog_name=NAME)
    if result.exit_code:
        raise SystemExit(f"{NAME} {' '.join(path)} --help failed: {result.exception!r}")
    return "\n".join(line.rstrip() for line in result.output.splitlines()).strip()


def main() -> int:
    """Write or check the page; return the exit code."""
    from layergeom.cli import app

    parser = argparse.ArgumentParser(description="Write the command line's reference.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    wanted = page(app)
    if not parser.parse_args().check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{PAGE.name} is out of date; run python tools/cli_reference.py.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
