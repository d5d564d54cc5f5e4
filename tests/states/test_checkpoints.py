import math

import pytest

from layergeom.errors import InputError
from layergeom.states.checkpoints import Checkpoint, checkpoints, step_of


def run(path, *names):
    for name in names:
        (path / name).mkdir()
        (path / name / "config.json").write_text("{}")
    return path


def test_folders_in_the_order_of_their_steps(tmp_path):
    run(tmp_path, "step1000", "step16", "step0")
    (tmp_path / "logs").mkdir()
    found = checkpoints(tmp_path)
    assert [c.name for c in found] == ["step0", "step16", "step1000"]
    assert found[1] == Checkpoint("step16", 16.0, str(tmp_path / "step16"), None)


def test_a_pattern_or_a_list_of_folders(tmp_path):
    run(tmp_path, "step1000", "step16", "final")
    assert [c.name for c in checkpoints(tmp_path, "step*")] == ["step16", "step1000"]
    assert [c.name for c in checkpoints(tmp_path, ["final", "step16"])] == ["step16", "final"]
    assert math.isnan(checkpoints(tmp_path)[-1].step)


def test_revisions_of_a_hub_id():
    found = checkpoints("own/model", ["step143000", "step512"])
    assert found[0] == Checkpoint("step512", 512.0, "own/model", "step512")


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step512", 512),
        ("checkpoint-1000", 1000),
        ("global_step95000", 95000),
        ("step-50K-105b", 50000),
        ("intermediate-step-1431k-3T", 1431000),
        ("ckpt_2.5M", 2.5e6),
        ("007", 7),
        ("0.13m", 130000),
    ],
)
def test_steps_in_names(name, step):
    assert step_of(name) == step


def test_names_without_a_number():
    assert math.isnan(step_of("main"))


def test_what_is_no_training_run(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoints"):
        checkpoints(tmp_path)
    run(tmp_path, "step1", "step01")
    with pytest.raises(InputError, match="'step01' and 'step1' are both at step 1"):
        checkpoints(tmp_path)
    with pytest.raises(InputError, match="holds no checkpoint 'epoch"):
        checkpoints(tmp_path, ["epoch1"])
    for revisions in (None, "step*", ["step*"]):
        with pytest.raises(InputError, match="one by one"):
            checkpoints("own/model", revisions)
