"""`layergeom plan` for several machines, for a network and for a bare shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from states.tiny import VOCABULARY

Main = Callable[..., tuple[int, str, str]]


def told(out: str) -> dict[str, str]:
    return {line[:12].strip(): line[12:] for line in out.splitlines()}


def test_a_shape_needs_no_network(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layergeom.tasks.timing.SEARCHED", 600)
    code, out, err = main("plan", "5000x4x16", "--cluster", 3, "--max-checkpoints", 6)
    assert (code, err) == (0, "")
    lines = told(out)
    assert lines["shape"] == "6 checkpoints of 5,000 rows, 4 layers of 16"
    assert lines["states"].startswith("time not known (no model), ")
    assert " of memory for each worker, " in lines["layers"]
    assert lines["in all"].endswith(" by 3 workers like this machine")
    code, out, _ = main("plan", "5000x4x16", "--workers", 3, "--json")
    content = json.loads(out)
    assert [stage["name"] for stage in content["stages"]] == [
        "states", "merge", "layers", "comparison",
    ]  # fmt: skip
    assert content["stages"][0]["seconds"] is None
    assert content["seconds"] > 0


def test_a_network_by_several_workers(main: Main, training_run: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (200, 6))
    np.savez(tmp_path / "rows.npz", tokens=rows)
    code, out, _ = main("plan", training_run / "step0", tmp_path / "rows.npz", "--workers", 2)
    assert code == 0
    lines = told(out)
    assert lines["shape"] == "200 rows, 5 layers of 16"
    assert "not known" not in lines["states"]
    code, out, _ = main("plan", training_run / "step0", tmp_path / "rows.npz", "--json")
    assert json.loads(out)["cluster"] is None


def test_a_shape_that_is_too_small(main: Main) -> None:
    code, _, err = main("plan", "30x2x8")
    assert code == 2
    assert "'30x2x8' is no shape to plan for; give rows, layers and features" in err
