"""The commands around training runs: plan, fetch, dynamics with fewer checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import HfApi, snapshot_download

from layergeom.tasks.plan import dimension_error, smallest_difference
from states.hub_cache import FakeHub, faked, offline
from states.tiny import VOCABULARY

Main = Callable[..., tuple[int, str, str]]
NAMES = ("step0", "step10", "step100")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, training_run: Path) -> FakeHub:
    """A hub with three checkpoints over an empty cache; downloads arrive there."""
    folders = {name: training_run / name for name in NAMES}
    hub = faked(monkeypatch, tmp_path / "cache", "own/model", folders)

    def download(model: str, *, revision: str, allow_patterns: Any, **_: Any) -> str:
        return str(hub.add(revision, *allow_patterns))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return hub


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (50, 6))
    np.savez(tmp_path / "tokens.npz", tokens=rows)
    return tmp_path / "tokens.npz"


def test_plan_says_it_in_lines_and_in_json(main: Main, training_run: Path, tokens: Path) -> None:
    code, out, err = main("plan", training_run, tokens, "--k", 10)
    assert (code, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["rows"] == "50"
    error, dip = (100 * x for x in (dimension_error(50), smallest_difference(50)))
    told = f"dimension ± {error:.1f} % a layer; a dip below about {dip:.0f} % would not be found"
    assert lines["precision"] == told
    assert lines["checkpoints"] == "3, step0, step10, step100"
    assert lines["download"] == "0 B, at most 0 B for a checkpoint"
    assert lines["disk"].endswith("at most")
    code, out, _ = main("plan", training_run, tokens, "--max-checkpoints", 2, "--json")
    content = json.loads(out)
    assert content["checkpoints"] == ["step0", "step100"]
    assert content["states"] == 50 * (16 * 4 + 8) * 5
    assert content["smallest_difference"] == smallest_difference(50)


@pytest.mark.filterwarnings("default:The hub is out of reach")
def test_fetch_then_dynamics_without_a_network(
    main: Main, own: FakeHub, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    no_views: None,
) -> None:  # fmt: skip
    code, out, err = main("fetch", "own/model", "--revisions", "step*", "--max-checkpoints", 2)
    assert (code, err) == (0, "")
    assert "HF_HUB_OFFLINE=1 layergeom dynamics own/model DATA --revisions step0,step100" in out
    monkeypatch.setattr(huggingface_hub, "HfApi", HfApi)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    offline(monkeypatch, tmp_path / "cache")
    run = ("dynamics", "own/model", tokens, "--k", 5, "-o", tmp_path / "out")
    code, _, err = main(*run, "--revisions", "step*")
    assert code == 0
    assert err.startswith("layergeom: The hub is out of reach: patterns are looked up among the 2")
    assert {p.name for p in (tmp_path / "out" / "checkpoints").iterdir()} == {"step0", "step100"}
    assert len(list(own.place.rglob("*.safetensors"))) == 2  # what was there before stays


def test_fetch_in_json(main: Main, own: FakeHub) -> None:
    code, out, _ = main("fetch", "own/model", "--revisions", "step0,step10", "--json")
    content = json.loads(out)
    assert code == 0
    assert content["revisions"] == ["step0", "step10"]
    assert [Path(place).name for place in content["folders"]] == [
        own.commit("step0"),
        own.commit("step10"),
    ]


def test_dynamics_says_where_the_mean_is_largest(
    main: Main, training_run: Path, tokens: Path, tmp_path: Path, no_views: None
) -> None:
    common = (training_run, tokens, "--k", 5, "-o", tmp_path / "out")
    code, out, err = main("dynamics", *common, "--keep", "profile", "--max-checkpoints", 2)
    assert (code, err) == (0, "")
    first, second, *lines = out.splitlines()
    assert "the layer-mean dimension starts at " in first
    assert second.startswith(("The layer to use ", "A layer to use ", "No layer stands out "))
    assert lines[:4][-3:] == ["Checkpoints: 2: step0, step100", "", "The last checkpoint, step100:"]
    assert {p.name for p in (tmp_path / "out" / "checkpoints" / "step0").iterdir()} == {
        "kept",
        "profile.json",
    }


def test_errors_are_one_line(
    main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training_run: Path, tokens: Path
) -> None:
    offline(monkeypatch, tmp_path / "empty")
    for command in (("plan", "own/model"), ("dynamics", "own/model", tokens)):
        code, out, err = main(*command, "--revisions", "step*")
        assert (code, out) == (2, "")
        assert "`layergeom fetch own/model`" in err
        assert len(err.splitlines()) == 1
    code, _, err = main("fetch", training_run)
    assert code == 2
    assert "is a local folder" in err
    code, _, err = main("dynamics", training_run, tokens, "--axis", "tokens")
    assert code == 2
    assert "holds no number of tokens" in err


def test_the_report_of_a_training_is_not_written_over(
    main: Main, training_run: Path, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (60, 6))
    np.savez(tmp_path / "rows.npz", tokens=rows)
    asked = ("dynamics", training_run, tmp_path / "rows.npz", "--k", "5", "-o", tmp_path / "run")
    code, out, _ = main(*asked)
    assert code == 0
    report = (tmp_path / "run" / "report.html").read_bytes()
    opening = " ".join(out.splitlines()[:2]).replace(" ± ", "\u00a0±\u00a0")
    assert f'<p class="sentence">{opening}</p>' in report.decode()
    assert f"{tmp_path / 'run' / 'dynamics.csv'}\n" in out
    code, _, err = main("report", tmp_path / "run")
    assert code == 2
    assert "is a training run, whose report shows every checkpoint" in err
    assert (tmp_path / "run" / "report.html").read_bytes() == report
    assert main("report", tmp_path / "run", "-o", tmp_path / "last")[0] == 0
