"""The register of the rows: what goes in, what is required, and how a tool is asked.

The rows import neither this package nor pytest, so that other tools answer the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Check = Callable[[Any], str]
ROWS: dict[str, Row] = {}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    name : str
        Begins with its group: E estimator input, M other quantities, F fuzz, C correctness; ``E+``
        and so on where it is a row of our own.
    given, required : str
        What goes in, and what must come out.
    check : callable(tool)
        Raises an AssertionError where the tool falls short, else says what came out.
    slow : bool
        Whether it takes more than a few seconds.
    every : bool
        Whether each of our estimators is asked, not TwoNN alone.
    """

    name: str
    given: str
    required: str
    check: Check
    slow: bool = False
    every: bool = False


class NotOfferedError(Exception):
    """The tool has no such function."""


def row(
    name: str, given: str, required: str, *, slow: bool = False, every: bool = False
) -> Callable[[Check], Check]:
    """Enter what follows as the check of a row."""

    def enter(check: Check) -> Check:
        if name in ROWS:
            raise ValueError(f"there are two rows {name}")
        ROWS[name] = Row(name, given, required, check, slow, every)
        return check

    return enter


def all_rows() -> dict[str, Row]:
    """Return the rows of every file here, by name."""
    for file in sorted(Path(__file__).parent.glob("*_rows.py")):
        import_module(file.stem)
    return ROWS
