from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import records, table

MACHINE = {"processor": "A chip", "cores": 2, "features": ["avx2"], "load": 1.5}
RIGHT = {"rows": 600, "other_neighbors": 0, "recall": 1.0, "worst_distance": 1e-15}
LESS = {"rows": 600, "other_neighbors": 7, "recall": 0.99, "worst_distance": 0.02}


def line(peer: str, day: int, cpu: float | None = None, **changed: Any) -> dict[str, Any]:
    timed = {} if cpu is None else {"cpu_s": cpu, "wall_s": cpu / 2, "ratio_to_sgemm": cpu * 10}
    return {
        "time": f"2026-01-{day:02d}T00:00:00+00:00",
        "machine": MACHINE,
        "case": {"name": "low_id-600x16-k5", "kind": "low_id", "n": 600, "d": 16, "k": 5},
        "peer": peer,
        "peer_version": "1.0",
        "status": "agrees",
        "reason": "",
        "agreement": RIGHT,
        "peak_mib": None,
        **timed,
        **changed,
    }


def rows(text: str) -> list[str]:
    return [x for x in text.splitlines() if x.startswith("| ") and "---" not in x][1:]


def test_the_newest_record_of_a_case_and_peer_is_shown() -> None:
    shown = rows(table.page([line("faiss", 1, 9.0), line("faiss", 2, 0.25)]))
    assert shown == [
        "| faiss | 1.0 | 0.250 | 2.50 | 0.125 | – | exact sets, distances within 1e-15 |"
    ]


def test_an_absence_does_not_hide_an_older_time() -> None:
    gone = line("faiss", 3, status="absent", agreement=None, reason="faiss does not load")
    assert "0.250" in table.page([line("faiss", 2, 0.25), gone])
    assert "absent: faiss does not load" in table.page([gone])


def test_a_difference_stands_in_the_table() -> None:
    text = table.page([line("x", 1, 0.5, status="differs", agreement=LESS)])
    assert "**differs**: 7 of 600 rows, recall 0.99000, distances within 2e-02" in text


def test_machines_are_kept_apart_and_peers_sorted_by_time() -> None:
    other = line("a", 1, 0.9, machine={**MACHINE, "processor": "B chip"})
    text = table.page([other, line("slow", 1, 2.0), line("quick", 1, 0.1)])
    assert text.index("## B chip, 2 cores, avx2") < text.index("## A chip")
    assert text.index("| quick") < text.index("| slow")


def test_the_threads_that_were_asked_for_make_another_section() -> None:
    one = line("a", 1, 0.9, machine={**MACHINE, "settings": {"OMP_NUM_THREADS": "1"}})
    text = table.page([line("a", 1, 0.5), one])
    assert "## A chip, 2 cores, avx2, OMP_NUM_THREADS=1" in text
    assert "0.900" in text
    assert "0.500" in text


def test_records_are_read_in_order_of_time_and_faults_are_placed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(line('b', 2))}\n{json.dumps(line('a', 1))}\n")
    assert [record["peer"] for record in records.read([path])] == ["a", "b"]
    path.write_text(f"{json.dumps(line('b', 2))}\nnothing\n")
    with pytest.raises(ValueError, match=r"a\.jsonl, line 2 is not a record"):
        records.read([path])


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert table.main(["--check"]) == 0


def test_a_page_that_is_not_is_caught(tmp_path: Path, capsys) -> None:
    (tmp_path / "page.md").write_text("old")
    options = ["--page", str(tmp_path / "page.md"), "--records", str(tmp_path)]
    assert table.main(["--check", *options]) == 1
    assert table.main(options) == 0
    assert table.main(["--check", *options]) == 0


def test_a_summary_says_how_many_times_as_long_the_others_take() -> None:
    text = table.page([line("layergeom", 1, 0.2), line("faiss", 1, 0.9), line("sgemm", 1, 0.5)])
    assert "| low_id-600x16-k5 | 0.200 | 2.5 | 4.5 | – | – | – | – |" in text


def test_the_job_of_paper_a_is_told_with_its_newest_record() -> None:
    job = {
        "time": "2026-01-03T00:00:00+00:00",
        "machine": MACHINE,
        "job": {"layers": 24, "n": 90_000, "d": 512, "k": 30},
        "agrees": True,
        "cpu_s": 80.4,
        "wall_s": 41.2,
        "peak_mib": 300.0,
        "sgemm_cpu_s_of_one_layer": 79.5,
    }
    text = table.page([line("layergeom", 1, 0.2), {**job, "wall_s": 99.0}, job])
    assert "41 s, 80 CPU-s, 300 MiB" in text
    assert "1,908 CPU-s" in text
    assert "All rows that were compared were exact" in text
    assert "NOT all" in table.page([line("layergeom", 1, 0.2), {**job, "agrees": False}])
