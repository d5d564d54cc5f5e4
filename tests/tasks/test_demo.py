"""The embedded default: the digits as tokens, and the real path on the shipped checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from layergeom.states.checkpoints import checkpoints
from layergeom.states.inputs import Samples
from layergeom.tasks import demo

SOME = ("step0", "step400", "step7000")


@pytest.fixture(scope="module")
def few() -> Samples:
    return demo.digits().take(range(0, 1797, 9))


@pytest.fixture
def some_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SOME:
        (tmp_path / name).symlink_to(demo.CHECKPOINTS / name, target_is_directory=True)
    monkeypatch.setattr(demo, "CHECKPOINTS", tmp_path)


def test_digits_are_a_start_token_and_all_pixels_but_the_last() -> None:
    samples = demo.digits()
    images = load_digits()
    assert len(samples) == 1797
    assert samples.kind == "tokens"
    row = np.asarray(samples.items[5])
    assert row.shape == (64,)
    assert row[0] == demo.LEVELS == 17
    np.testing.assert_array_equal(row[1:], images.images[5].reshape(-1)[:-1])
    assert samples.labels is not None
    assert samples.labels[5] == str(images.target[5])
    assert max(int(np.max(item)) for item in samples.items) == 17


def test_at_least_eight_checkpoints_are_shipped_small_and_safe() -> None:
    found = checkpoints(demo.CHECKPOINTS)
    assert len(found) >= 8
    assert found[0].step == 0
    files = [path for path in demo.CHECKPOINTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20e6
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".csv", ".md"}
    for checkpoint in found:
        config = json.loads((Path(checkpoint.source) / "config.json").read_text())
        assert config["model_type"] == "imagegpt"
        assert config["vocab_size"] == demo.LEVELS + 1


@pytest.mark.usefixtures("some_checkpoints")
def test_the_demo_is_the_real_path(
    few: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "digits", lambda: few)
    calls: list[str] = []
    profile, training = demo.demonstrate(tmp_path / "run", lambda *call: calls.append(call[2]))
    assert training.checkpoints == SOME
    assert profile is training.profiles[-1]
    assert profile.counts["rows"] == len(few)
    assert profile.layers[0] == "embedding"
    assert profile.layers[-1] == "final"
    named = {name for name in calls if name.startswith("checkpoint")}
    assert named == {f"checkpoint {name}" for name in SOME}
    learned = profile.label_overlap
    assert learned.chance is not None
    assert learned.values[1:].max() > 4 * learned.chance[0]
    trained = np.nanmax(training.profiles[-1].label_overlap.values)
    untrained = np.nanmax(training.profiles[0].label_overlap.values)
    assert trained > untrained
    assert (tmp_path / "run" / "checkpoints" / "step7000").is_dir()
