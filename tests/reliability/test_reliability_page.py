"""The page of the reliability table: that of its records, and these those of the rows."""

from __future__ import annotations

from rows import all_rows

from calibration.reliability import PAGE, PEERS, RECORDS, page, read

OURS = [
    {"row": "E-a", "input": "one | two", "required": "x", "result": "passed", "observed": "5"},
    {"row": "E-b", "input": "three", "required": "y", "result": "failed", "observed": "silent nan"},
    {"row": "E+c", "input": "four", "required": "z", "result": "passed", "observed": "w" * 99},
]
OURS = [{"tool": "ours", "version": "1"} | record for record in OURS]
PEER = {"tool": "peer", "version": "2", "observed": ""}


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read(RECORDS), read(PEERS))


def test_the_records_are_those_of_the_rows_and_all_pass() -> None:
    told = {r["row"]: (r["input"], r["required"], r["result"]) for r in read(RECORDS)}
    rows = all_rows().values()
    assert told == {row.name: (row.given, row.required, "passed") for row in rows}


def test_passed_rows_are_counted_of_those_offered() -> None:
    peer = [
        PEER | {"row": "E-a", "result": "not offered"},
        PEER | {"row": "E-b", "result": "passed"},
    ]
    told = page(OURS, peer)
    assert "| group | ours 1 | peer 2 |" in told
    assert "| all | 1 of 2 | 1 of 1 |" in told
    assert "| our own (+) | 1 of 1 | – |" in told
    assert "| E-a | one ¦ two | x | ✓ 5 | not offered |" in told
    assert "| E-b | three | y | ✗ silent nan | ✓ |" in told
    assert "w" * 60 not in told
