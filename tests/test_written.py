"""Counts with their nouns, and signs that are no hyphens."""

from __future__ import annotations

import pytest

from layergeom.written import counted, minus


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 rows were"), (1, "1 row was"), (2, "2 rows were")]
)
def test_one_is_told_in_words_of_its_own(count: int, text: str) -> None:
    assert counted(count, "row was", "rows were") == text


def test_large_counts_are_read_in_thousands() -> None:
    assert counted(1_234_567, "row", "rows") == "1,234,567 rows"


@pytest.mark.parametrize(
    ("number", "text"),
    [("-0.5", "−0.5"), ("+0.5", "+0.5"), ("0.5", "0.5"), ("-1e-05", "−1e-05"), ("1e-05", "1e-05")],
)
def test_only_the_sign_of_the_number_changes(number: str, text: str) -> None:
    assert minus(number) == text
