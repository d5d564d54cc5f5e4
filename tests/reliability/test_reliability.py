"""Every row of the reliability table, asked of this package."""

from __future__ import annotations

from collections import Counter

import pytest
from ours import OURS
from rows import Row, all_rows

REQUIRED = {"E": 75, "M": 53, "F": 4, "C": 23}  # rows that any tool must pass, without our own

ROWS = all_rows().values()


def parameter(entry: Row) -> object:
    return pytest.param(entry, id=entry.name, marks=[pytest.mark.slow] if entry.slow else [])


@pytest.mark.parametrize("entry", [*map(parameter, ROWS)])
def test_row(entry: Row, record_property: object) -> None:
    for number, tool in enumerate(OURS if entry.every else OURS[:1]):
        try:
            said = entry.check(tool)
        except AssertionError as short:
            raise AssertionError(f"{entry.name}, {tool.name}: {short}") from short
        if number == 0:
            record_property("observed", said)


def test_no_row_is_lost() -> None:
    assert Counter(entry.name[0] for entry in ROWS if "+" not in entry.name) == REQUIRED
