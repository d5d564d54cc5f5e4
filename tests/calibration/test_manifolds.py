"""The benchmark manifolds: scores, the harness on a known set, and the page of the records."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import records
from calibration import manifolds
from calibration.doubt_maps import torus
from calibration.manifold_page import PAGE, RECORDS, page, score

DATASETS = """
import numpy as np
import pandas as pd

class BenchmarkManifolds:
    def __init__(self, random_state):
        self.rng = np.random.default_rng(random_state)
        self.truth = pd.DataFrame({"d": [2], "D": [4], "text": [""]}, index=["Torus"])

    def generate(self, name, n, d, dim):
        assert (name, d, dim) == ("Torus", 2, 4)
        angles = self.rng.uniform(0, 2 * np.pi, (n, 2))
        return np.hstack([np.cos(angles), np.sin(angles)])
"""


def record(package: str, n: int = 500, **answers: dict[str, list[float | None]]) -> records.Record:
    case = {"name": "A", "truth": 4, "ambient": 5, "n": n, "repetitions": 2}
    return {"time": "", "job": "manifolds", "case": case, "package": package} | {
        "answers": answers,
        "versions": "1.0",
    }


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter whose scikit-dimension has one manifold, a torus of dimension 2."""
    (tmp_path / "skdim").mkdir()
    (tmp_path / "skdim" / "__init__.py").touch()
    (tmp_path / "skdim" / "datasets.py").write_text(DATASETS)
    for name in ("dadapy", "scikit_dimension"):
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        text = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
        (tmp_path / f"{name}-1.0.dist-info" / "METADATA").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Path(sys.executable)


def test_a_score_is_that_of_the_definitions() -> None:
    rng = np.random.default_rng(0)
    values, errors = rng.normal(9, 1, 40), rng.uniform(0.2, 1, 40)
    found = score({"values": values.tolist(), "errors": errors.tolist()}, truth=10)
    assert found.bias == pytest.approx((values.mean() - 10) / 10)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((values - 10) ** 2)) / 10)
    held = [v - 1.96 * e <= 10 <= v + 1.96 * e for v, e in zip(values, errors, strict=True)]
    own = [abs(v - values.mean()) <= 1.96 * e for v, e in zip(values, errors, strict=True)]
    assert (found.covered, found.own_covered) == (np.mean(held), np.mean(own))
    assert found.covered < found.own_covered


def test_an_error_of_zero_is_no_error_and_silence_is_counted() -> None:
    found = score({"values": [1.0, None], "errors": [0.0, None]}, truth=1)
    assert np.isnan(found.covered)
    assert found.unanswered == 0.5
    nothing = score({"values": [None], "errors": [None]}, truth=1)
    assert np.isnan(nothing.bias)
    assert nothing.unanswered == 1


def test_every_estimator_of_ours_reads_a_torus() -> None:
    found = manifolds.answers(np.array([torus(600, seed, d=2) for seed in range(2)]))
    assert set(found) == set(manifolds.ESTIMATORS)
    for name, answers in found.items():
        assert np.mean(answers["values"]) == pytest.approx(2, abs=0.4), name
        assert min(answers["errors"]) > 0
    assert found["TwoNN"]["lower_bound"] == [False, False]
    assert found["plateau"]["lower_bound"] == [None, None]


def test_what_cannot_be_estimated_is_none() -> None:
    lattice = np.tile(np.arange(3.0), 40)[:, None] * np.ones(2)  # three distinct points
    assert manifolds.answers(lattice[None])["TwoNN"]["values"] == [None]


def test_points_come_from_the_other_interpreter(peers: Path) -> None:
    [found] = manifolds.measured(peers, 400, repetitions=2, ours=True)
    assert found["package"] == "layergeom"
    assert found["case"] == {
        "name": "Torus",
        "truth": 2,
        "ambient": 4,
        "n": 400,
        "repetitions": 2,
    }
    values = found["answers"]["TwoNN"]["values"]
    assert len(set(values)) == 2  # another seed, other points
    assert np.mean(values) == pytest.approx(2, abs=0.4)


def test_an_interpreter_without_the_libraries_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "skdim.py").write_text("raise ImportError('absent')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep)
    with pytest.raises(RuntimeError, match="exit status 1"):
        list(manifolds.measured(Path(sys.executable), 50, 1, ours=True))


def test_the_page_takes_the_newest_record_and_sorts_by_error() -> None:
    old = record("dadapy", TwoNN={"values": [8, 8], "errors": [0, 0]})
    new = record("dadapy", TwoNN={"values": [5, 5], "errors": [0, 0]})
    ours = {"values": [4.4, 4.2], "errors": [1.0, 1.0], "lower_bound": [True, True]}
    told = page([old, new, record("layergeom", TwoNN=ours)])
    summary = [line for line in told.splitlines() if "TwoNN | " in line and "%" in line]
    assert summary[0].startswith("| layergeom, TwoNN | 7.9 % | 7.5 % | 7.5 % | – | 100.0 % | 100.0")
    assert summary[1].startswith("| DADApy, TwoNN | 25.0 % | 25.0 % | 25.0 % | – | – | – |")
    assert "| TwoNN | 0 | 0 | 1: 100.0 % | none | A |" in told  # flagged, and yet above the truth


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(records.read([RECORDS]))


def test_the_command_adds_records_and_writes_the_page(
    peers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifolds, "RECORDS", tmp_path / "manifolds.jsonl")
    monkeypatch.setattr(manifolds, "PAGE", tmp_path / "page.md")
    options = ["--peers", str(peers), "--ours", "--repetitions", "1", "--sizes", "300"]
    monkeypatch.setattr("sys.argv", ["manifolds", *options])
    manifolds.main()
    assert "## Summary, 300 points" in (tmp_path / "page.md").read_text(encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["manifolds", *options, "--page"])
    manifolds.main()
    assert len((tmp_path / "manifolds.jsonl").read_text().splitlines()) == 1
