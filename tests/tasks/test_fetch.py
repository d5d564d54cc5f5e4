"""What fetch asks the hub for; the hub is faked, the patterns are exact."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.states.inputs import read_samples
from layergeom.states.sources import SMALL_FILES
from layergeom.tasks.dynamics import dynamics
from layergeom.tasks.fetch import fetch
from states.hub_cache import FakeHub, faked, offline
from states.tiny import VOCABULARY


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, training_run: Path) -> FakeHub:
    """Three checkpoints whose repositories also hold what no run needs."""
    folders = {}
    for name in ("main", "step0", "step10", "step100"):
        folders[name] = tmp_path / "remote" / name
        shutil.copytree(training_run / (name if name != "main" else "step100"), folders[name])
        for other in ("pytorch_model.bin", "tf_model.h5", "training.pt", "optimizer.bin"):
            (folders[name] / other).write_bytes(b"x" * 1000)
    return faked(monkeypatch, tmp_path / "cache", "own/model", folders)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, own: FakeHub) -> list[tuple[str, dict[str, Any]]]:
    """Every download that was asked for; it arrives in the cache or in ``local_dir``."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def download(model: str, **options: Any) -> str:
        seen.append((model, options))
        revision, target = options["revision"] or "main", options["local_dir"]
        if target is None:
            return str(own.add(revision, *options["allow_patterns"]))
        for pattern in options["allow_patterns"]:
            for file in own.folders[revision].glob(pattern):
                Path(target).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return seen


def test_the_main_branch_into_the_cache(own: FakeHub, calls: list[Any]) -> None:
    found = fetch("own/model")
    patterns = [*SMALL_FILES, "model.safetensors"]
    options = {"revision": None, "allow_patterns": patterns, "local_dir": None}
    assert calls == [("own/model", options)]
    names = {path.name for path in found.folders[0].iterdir()}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "tf_model.h5", "training.pt", "optimizer.bin"}
    assert found.bytes == sum(path.stat().st_size for path in found.folders[0].iterdir())
    assert found.revisions == ()
    assert found.warnings == ()
    assert found.command == "HF_HUB_OFFLINE=1 layergeom run own/model DATA"


def test_a_pattern_fetches_each_checkpoint_in_order(calls: list[Any]) -> None:
    seen: list[tuple[int, int, str]] = []
    found = fetch("own/model", "step*", progress=lambda *call: seen.append(call))
    assert [options["revision"] for _, options in calls] == ["step0", "step10", "step100"]
    assert found.revisions == ("step0", "step10", "step100")
    assert found.command.endswith("dynamics own/model DATA --revisions step0,step10,step100")
    assert seen == [(i, 3, "checkpoints fetched") for i in (1, 2, 3)]
    assert fetch("own/model", "step*", max_checkpoints=2).revisions == ("step0", "step100")


def test_into_a_folder_that_is_then_a_training_run(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetch("own/model", ["step10", "step0"], tmp_path / "a run")
    assert found.folders == (tmp_path / "a run" / "step0", tmp_path / "a run" / "step10")
    command = f"HF_HUB_OFFLINE=1 layergeom dynamics '{tmp_path / 'a run'}' DATA"
    assert found.command == command
    offline(monkeypatch, tmp_path / "empty")
    rows = read_samples(np.random.default_rng(0).integers(4, VOCABULARY, (40, 6)))
    training = dynamics(tmp_path / "a run", rows, settings=Settings(k=5))
    assert training.checkpoints == ("step0", "step10")


def test_pickled_weights_only_where_there_is_nothing_else_and_never_silently(
    own: FakeHub, calls: list[Any]
) -> None:
    (own.folders["step0"] / "model.safetensors").unlink()
    found = fetch("own/model", ["step0", "step10"])
    weights = [options["allow_patterns"][len(SMALL_FILES) :] for _, options in calls]
    assert weights == [["pytorch_model.bin"], ["model.safetensors"]]
    [line] = found.warnings
    assert line.startswith("Model 'own/model' at revision 'step0' has no safetensors")


def test_what_cannot_be_fetched(
    own: FakeHub, calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="is a local folder: it needs no fetching"):
        fetch(str(tmp_path))
    for file in own.folders["main"].glob("*model.*"):
        file.unlink()
    with pytest.raises(InputError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        fetch("own/model")
    assert calls == []

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(InputError, match=r"No space left.*goes on where it stopped"):
        fetch("own/model", "step0")
