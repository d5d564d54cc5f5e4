from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers, run
from benchmarks.cases import Case
from benchmarks.peers import Peer

CASE = Case("tiny", "low_id", 600, 16, 5)
CALLS: list[str] = []


def exact(X: np.ndarray, k: int) -> peers.Answer:
    CALLS.append("exact")
    distances = np.sqrt(((X[:, None].astype(float) - X[None]) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1)[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def wrong(X: np.ndarray, k: int) -> peers.Answer:
    distances, indices = exact(X, k)
    CALLS[-1] = "wrong"
    indices[11] = (indices[11] + 1) % len(X)
    return distances, indices


def nothing(X: np.ndarray, k: int) -> None:
    """Give no answer, as the limit does."""


def broken(X: np.ndarray, k: int) -> peers.Answer:
    raise MemoryError("no room")


FOUR = (
    Peer("sgemm", "numpy", "numpy", 1.0, nothing),
    Peer("exact", "numpy", "numpy", 1e-12, exact),
    Peer("wrong", "numpy", "numpy", 1e-12, wrong),
    Peer("broken", "numpy", "numpy", 1e-12, broken),
    Peer("missing", "numpy", "no_such_library", 1e-12, exact),
)


@pytest.fixture
def lines(tmp_path: Path) -> dict[str, dict]:
    CALLS.clear()
    path = tmp_path / "records" / "cpu.jsonl"
    run.measure(CASE, FOUR, 3, path)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {record["peer"]: record for record in records}


def test_every_peer_has_its_status(lines) -> None:
    assert {name: line["status"] for name, line in lines.items()} == {
        "sgemm": "limit",
        "exact": "agrees",
        "wrong": "differs",
        "broken": "failed",
        "missing": "absent",
    }


def test_a_peer_that_differs_is_recorded_with_how_much(lines) -> None:
    told = lines["wrong"]["agreement"]
    assert told["other_neighbors"] == 1
    assert told["recall"] < 1
    assert lines["exact"]["agreement"]["agrees"]


def test_peers_without_an_answer_have_no_time(lines) -> None:
    assert "cpu_s" not in lines["broken"]
    assert lines["broken"]["reason"] == "MemoryError: no room"
    assert "cpu_s" not in lines["missing"]
    assert len(lines["exact"]["cpu_each"]) == 3
    assert lines["exact"]["ratio_to_sgemm"] > 0


def test_answers_come_first_and_rounds_alternate(lines) -> None:
    assert CALLS == ["exact", "wrong", "exact", "wrong", "wrong", "exact", "exact", "wrong"]


def test_records_are_appended_and_name_no_place(tmp_path) -> None:
    path = tmp_path / "cpu.jsonl"
    run.measure(CASE, FOUR[:2], 1, path)
    before = path.read_text()
    run.measure(CASE, FOUR[:2], 1, path)
    assert path.read_text().startswith(before)
    assert len(path.read_text().splitlines()) == 4
    assert str(Path.home()) not in before
    assert str(tmp_path) not in before


def test_unknown_cases_are_refused(capsys) -> None:
    assert run.main(["--cases", "nowhere"]) == 2
    assert "no case nowhere" in capsys.readouterr().err
