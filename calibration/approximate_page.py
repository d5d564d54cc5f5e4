"""The tables of docs/explanation/approximate_neighbors.md, from the records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.records import Record

JOB = "approximate"
RECORDS = Path(__file__).parent / "records" / "approximate.jsonl"
RANKS = (1, 4, 16, 32)


def newest(found: Iterable[Record]) -> list[Record]:
    """Return the last record of every case."""
    last = {str(sorted(record["case"].items())): record for record in found}
    return sorted(last.values(), key=_place)


def _place(record: Record) -> tuple[object, ...]:
    case = record["case"]
    return "model" in case, case["rows"], case["name"].split("_")[0], case.get("d", 0)


def tables(found: Iterable[Record]) -> str:
    """Return recall and biases, then times, of the newest records."""
    kept = newest(found)
    small = [record for record in kept if "dimensions" in record["found"]]
    return f"{_biases(small)}\n\n{_times(kept)}"


def _biases(kept: Sequence[Record]) -> str:
    head = ["points", "rows", "recall@64", "as a run tells it", "nearest two right"]
    head += [f"bias, n1 = {rank}" for rank in RANKS] + ["overlap (exact)"]
    return _table(head, [_bias_row(record) for record in kept])


def _bias_row(record: Record) -> list[str]:
    found = record["found"]
    value, low, high = found["told"]
    row = [_name(record), f"{record['case']['rows']:,}", f"{found['recall']:.4f}"]
    row += [f"{value:.3f} ({low:.3f}–{high:.3f})", f"{found['nearest_two']:.4f}"]
    row += [f"{100 * found['biases'][str(rank)]:+.2f} %" for rank in RANKS]
    overlap = found.get("overlap")
    return [*row, "" if overlap is None else f"{overlap[1]:.4f} ({overlap[0]:.4f})"]


def _times(kept: Sequence[Record]) -> str:
    head = ["points", "rows", "exact, CPU-s", "approximate, CPU-s", "sample of it", "ratio"]
    return _table(head, [_time_row(record) for record in kept])


def _time_row(record: Record) -> list[str]:
    found = record["found"]
    exact, seconds, sample = (
        found[name] for name in ("exact_seconds", "seconds", "sample_seconds")
    )
    row = [_name(record), f"{record['case']['rows']:,}"]
    return [*row, f"{exact:.1f}", f"{seconds:.1f}", f"{sample:.1f}", f"{seconds / exact:.1f}"]


def _name(record: Record) -> str:
    case = record["case"]
    if "model" in case:
        return f"{case['model']}, {case['name']}"
    return f"{case['name']}, d = {case['d']}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
